import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Config, deriveKey } from '../config.ts'

/** Hours that a link from `npm run owner:reset` works. */
export const RESET_HOURS = 1

/**
 * A token that AUTH_SECRET vouches for: `id.expiry.signature`. Whoever has that secret could sign in as anybody, so
 * the link gives nothing away; it needs no database to be made. That it works once is setup.ts's business.
 */
export function createResetToken(config: Pick<Config, 'authSecret'>, now = Date.now()): string {
  const signed = `${randomBytes(12).toString('base64url')}.${Math.floor(now / 1000) + RESET_HOURS * 3600}`
  return `${signed}.${sign(config, signed)}`
}

/** @returns the token's id, or null when it is none of ours or too old */
export function readResetToken(config: Pick<Config, 'authSecret'>, token: string): string | null {
  const [id, expiry, signature, ...more] = token.split('.')
  if (id === undefined || expiry === undefined || signature === undefined || more.length > 0) return null
  const given = Buffer.from(signature)
  const expected = Buffer.from(sign(config, `${id}.${expiry}`))
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  return Number(expiry) * 1000 > Date.now() ? id : null
}

function sign(config: Pick<Config, 'authSecret'>, text: string): string {
  return createHmac('sha256', deriveKey(config, 'owner-reset')).update(text).digest('base64url')
}
