// The client's address, as far as our own proxies vouch for it: each of them appends the address it saw to
// X-Forwarded-For, so with n proxies the n-th entry from the right was written by ours. What stands left of it came
// from the client and counts for nothing.
import ipaddr from 'ipaddr.js'

/**
 * @param forwardedFor the X-Forwarded-For header
 * @param hops how many proxies of ours stand in front (TRUSTED_PROXY_HOPS)
 * @returns the address; the socket's when the header is shorter than our proxies would have made it
 */
export function clientAddress(
  forwardedFor: string | string[] | undefined,
  socketAddress: string,
  hops: number,
): string {
  if (hops === 0 || forwardedFor === undefined) return socketAddress
  const entries = (Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor).split(',')
  const entry = entries.at(-hops)?.trim()
  return entry !== undefined && ipaddr.isValid(entry) ? entry : socketAddress
}

/** What a rate limit counts as one client: an IPv4 address, or the /64 that one IPv6 customer has. */
export function addressKey(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  return parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')
}
