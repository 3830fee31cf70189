// What a page may load and talk to. Nothing from other sites, no inline script, no eval.
// Two policies in one header, and both must agree: scripts come from this origin, *and* they carry this
// response's nonce or are loaded by one that does.
export interface PolicyOptions {
  nonce: string
  /** An address that the browser may stream answers from, besides this server. */
  modelEndpoint?: string | undefined
  /** React's development build evaluates code for its error overlay. */
  development?: boolean
}

export function contentSecurityPolicy({ nonce, modelEndpoint, development }: PolicyOptions): string {
  const connect = ["'self'"]
  if (modelEndpoint !== undefined) connect.push(new URL(modelEndpoint).origin)
  if (development) connect.push('ws:')
  const evaluation = development ? " 'unsafe-eval'" : ''
  const page = [
    "default-src 'none'",
    `script-src 'self'${evaluation}${development ? " 'unsafe-inline'" : ''}`,
    // Widths of progress bars and places of menus are style attributes; style elements need the nonce.
    "style-src 'self' 'unsafe-inline'",
    development ? "style-src-elem 'self' 'unsafe-inline'" : `style-src-elem 'self' 'nonce-${nonce}'`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src ${connect.join(' ')}`,
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  if (development) return page
  return `${page}, script-src 'nonce-${nonce}' 'strict-dynamic'; object-src 'none'; base-uri 'none'`
}
