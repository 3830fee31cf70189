// `npm run owner:reset`: prints a new one-time set-up link, for an owner who lost the password, without mail.
// Whoever can run this can read the database, so it gives away nothing. The link works once, within the hour: an
// account with the given e-mail address gets the new password and is an owner, otherwise it is made.
import { loadConfig } from '../config.ts'
import { createPool } from '../database/pool.ts'
import { createResetToken, RESET_HOURS } from './setup.ts'

const config = loadConfig()
const pool = createPool(config, { name: 'terrace-owner-reset', max: 1 })
try {
  const token = await createResetToken(pool)
  process.stdout.write(
    `Open this link within ${RESET_HOURS} h to set an owner's password. It works once:\n\n  ${config.publicUrl}/setup?token=${token}\n\n`,
  )
} catch (error) {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown cause'
  process.stderr.write(
    `The database could not be reached (${reason}). Is it running, and is DATABASE_URL right?\n`,
  )
  process.exitCode = 1
} finally {
  await pool.end()
}
