import { isIP } from 'node:net'

/**
 * Who speaks to us, as far as our own proxies vouch for it: each appends the address it saw, so with n proxies
 * the n-th entry from the right is theirs. Everything left of it the client may have written itself.
 *
 * @param forwardedFor the X-Forwarded-For header
 * @param hops how many proxies of ours stand in front of this server
 */
export function clientAddress(
  forwardedFor: string | string[] | undefined,
  socketAddress: string,
  hops: number,
): string {
  if (hops === 0 || forwardedFor === undefined) return socketAddress
  const entry = (Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor)
    .split(',')
    .at(-hops)
    ?.trim()
  return entry !== undefined && isIP(entry) !== 0 ? entry : socketAddress
}
