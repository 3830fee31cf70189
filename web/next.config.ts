// The web tier: renders pages and pipes /api to the API server; it holds no data and no secrets.
// What differs between places (API address, model endpoint) is read when the server runs, never here:
// the same build runs on a laptop and on every stage.
import path from 'node:path'
import type { NextConfig } from 'next'

// Headers of every response of this server. The page's own Content-Security-Policy carries a nonce and
// is written per response (lib/content-security-policy.ts); this one is for everything that is not a page.
const SECURITY_HEADERS = [
  { key: 'X-Content-Type-Options', value: 'nosniff' },
  { key: 'Referrer-Policy', value: 'same-origin' },
  { key: 'X-Frame-Options', value: 'DENY' },
  { key: 'Cross-Origin-Opener-Policy', value: 'same-origin' },
  { key: 'Cross-Origin-Resource-Policy', value: 'same-origin' },
  { key: 'Permissions-Policy', value: 'camera=(), microphone=(), geolocation=(), browsing-topics=()' },
  { key: 'Content-Security-Policy', value: "default-src 'none'; frame-ancestors 'none'" },
]

const repository = path.join(import.meta.dirname, '..')

const config: NextConfig = {
  output: 'standalone',
  // Named by what it is built of (local/web-build.ts): the same sources are the same build on every machine. No `deploymentId`:
  // with one, every build's folder of static files has the same name, and a server could not hold those of two.
  generateBuildId: () => process.env.TERRACE_WEB_BUILD ?? null,
  outputFileTracingRoot: repository,
  turbopack: { root: repository },
  reactStrictMode: true,
  poweredByHeader: false,
  // Answers are streamed through this server; compressing them would hold tokens back. A load balancer
  // or CDN compresses static files; on one machine nobody misses it.
  compress: false,
  // Each page carries its own nonce: no two are the same.
  generateEtags: false,
  devIndicators: false,
  agentRules: false,
  // `npm test` runs tsc over web/ too; a build on somebody's laptop should not pay for it again.
  typescript: { ignoreBuildErrors: true },
  // Only with an app router beside the pages would the browser need to know which paths are whose.
  experimental: { clientRouterFilter: false },
  async headers() {
    return [{ source: '/:path*', headers: SECURITY_HEADERS }]
  },
}

export default config
