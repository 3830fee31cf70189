// `npm run owner:reset`: prints a one-time set-up link for an owner who lost the password, without mail.
// The page behind it makes the account with the given e-mail address an owner with the new password, or creates it.
import { loadResetConfig } from '../config.ts'
import { createResetToken, RESET_HOURS } from './reset-links.ts'

try {
  const config = loadResetConfig()
  process.stdout.write(
    `Open this link within ${RESET_HOURS} h to set an owner's password. It works once:\n\n  ${config.publicUrl}/setup?token=${createResetToken(config)}\n\n`,
  )
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'unknown cause'}\n`)
  process.exitCode = 1
}
