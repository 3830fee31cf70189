const SCHEMES = new Set(['http:', 'https:', 'mailto:'])

/**
 * An address that a model wrote, if a person may follow it: absolute, to the web or to mail, without a password
 * in it. Anything else becomes ''. Addresses within Terrace are left out too: an answer gives no orders here.
 */
export function safeAddress(address: string): string {
  if (!URL.canParse(address)) return ''
  const url = new URL(address)
  return SCHEMES.has(url.protocol) && url.username === '' && url.password === '' ? url.href : ''
}
