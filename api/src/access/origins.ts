import type { Config } from '../config.ts'

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/**
 * Origins whose pages may act for a signed-in person: the public address alone, and on one machine the other
 * spellings of loopback with the same port, which people type for the same server.
 */
export function trustedOrigins(config: Config): string[] {
  const url = new URL(config.publicUrl)
  if (!LOOPBACK.includes(url.hostname)) return [url.origin]
  const port = url.port === '' ? '' : `:${url.port}`
  return LOOPBACK.map((host) => `${url.protocol}//${host}${port}`)
}
