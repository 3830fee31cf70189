/** Next calls this once as the server starts, before the first request. */
export async function register(): Promise<void> {
  // Literal, because the bundler decides by it: what is imported below needs Node, and Next builds this file for its
  // edge runtime too.
  // biome-ignore lint/style/noProcessEnv: not a setting, a fact about this bundle
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { imageMadeAt, isDevelopment, isSupervised, release, stage } = await import('./lib/env.ts')
    const { prepareStop } = await import('./server/lifecycle.ts')
    // `next dev` has its own way to stop.
    if (isDevelopment()) return
    prepareStop({ supervised: isSupervised() })
    const { startMetrics } = await import('./server/metrics.ts')
    startMetrics({ stage: stage(), release: release(), imageMadeAt: imageMadeAt() })
  }
}
