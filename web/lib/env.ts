// The web server's environment, read in this file only and on the server only.
// Every name is looked up by a computed key: Next writes literal `process.env.NAME` into the build,
// and a build must not remember the machine it was made on.
const read = (name: string): string | undefined => {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

/** Where the API server listens, as this machine reaches it. */
export function apiUrl(): URL {
  return new URL(read('API_URL') ?? 'http://127.0.0.1:4000')
}

/** How many proxies of ours stand in front; their entries at the right end of X-Forwarded-For are believed. */
export function trustedProxyHops(): number {
  const hops = Number.parseInt(read('TRUSTED_PROXY_HOPS') ?? '0', 10)
  return Number.isInteger(hops) && hops > 0 ? hops : 0
}

/** The model endpoint that the browser may stream from directly, when there is one. */
export function browserModelEndpoint(): string | undefined {
  const value = read('NEXT_PUBLIC_LLAMMA_ENDPOINT')
  if (value === undefined || !URL.canParse(value)) return undefined
  return value
}

/** A parent process watches over this one: end with it, even when it was killed without a chance to say so. */
export function isSupervised(): boolean {
  return read('TERRACE_SUPERVISED') === '1'
}

/** For which stage metrics are written (contract/metrics.ts); undefined: none are. */
export function stage(): string | undefined {
  return read('TERRACE_STAGE')
}

export function release(): string {
  return read('TERRACE_RELEASE') ?? 'dev'
}

/** When the machine's image was made, as the image says. */
export function imageMadeAt(): Date | undefined {
  const at = new Date(read('TERRACE_IMAGE_MADE_AT') ?? Number.NaN)
  return Number.isNaN(at.getTime()) ? undefined : at
}

export function isDevelopment(): boolean {
  return process.env.NODE_ENV === 'development'
}
