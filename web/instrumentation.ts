import { isDevelopment, isSupervised } from './lib/env.ts'
import { prepareStop } from './server/lifecycle.ts'

/** Next calls this once as the server starts, before the first request. Nothing here runs in an edge runtime. */
export function register(): void {
  // `next dev` has its own way to stop.
  if (!isDevelopment()) prepareStop({ supervised: isSupervised() })
}
