import { formatPosition } from '../../../../contract/position.ts'
import { seenNow } from '../../http/seen.ts'
import type { LibraryEvent } from '../../library/events.ts'
import { signedIn } from '../trpc.ts'

/** `seen` is as in replies: what is fetched again because of this event must not be older than it. */
export type WatchedEvent = LibraryEvent & { readonly seen?: string }

/**
 * News of everything the viewer may see, one subscription a browser. Begins with `collections`: fetch what is shown.
 * The output is not parsed by a schema: it is our own, many times a second, to many.
 */
export const watch = signedIn.meta({ access: 'signed-in' }).subscription(async function* ({
  ctx: { services, viewer, reads },
  signal,
}): AsyncGenerator<WatchedEvent> {
  for await (const event of services.events.watch(viewer, signal)) {
    await reads.sawPrimary()
    const seen = reads.place === null ? null : seenNow(services.index, reads)
    yield seen === null ? event : { ...event, seen: formatPosition(seen) }
  }
})
