import type { LibraryEvent } from '../../library/events.ts'
import { signedIn } from '../trpc.ts'

/**
 * News of everything the viewer may see, one subscription a browser. Begins with `collections`: fetch what is shown.
 * The output is not parsed by a schema: it is our own, many times a second, to many.
 */
export const watch = signedIn.meta({ access: 'signed-in' }).subscription(async function* ({
  ctx,
  signal,
}): AsyncGenerator<LibraryEvent> {
  yield* ctx.services.events.watch(ctx.viewer, signal)
})
