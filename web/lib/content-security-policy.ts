// What a page may load and talk to. Nothing from other sites, no eval, no script that the server did not mean.
// Two policies in one header, and both must agree: scripts carry this response's nonce or are loaded by one that
// does, *and* what is loaded comes from this origin.
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
  const page = [
    "default-src 'none'",
    `script-src 'self' ${development ? "'unsafe-inline' 'unsafe-eval'" : `'nonce-${nonce}'`}`,
    // Widths of progress bars and places of menus are style attributes; style elements need the nonce.
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
