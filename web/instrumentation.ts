/** Next calls this once as the server starts, before the first request. */
export async function register(): Promise<void> {
  // Literal, because the bundler decides by it: what is imported below needs Node, and Next builds this file for its
  // edge runtime too.
  // biome-ignore lint/style/noProcessEnv: not a setting, a fact about this bundle
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { isDevelopment, isSupervised } = await import('./lib/env.ts')
    const { prepareStop } = await import('./server/lifecycle.ts')
    // `next dev` has its own way to stop.
    if (!isDevelopment()) prepareStop({ supervised: isSupervised() })
  }
}
