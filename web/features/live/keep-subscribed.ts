// A subscription that comes back: the browser's EventSource gives up for good at the first answer that is not a
// stream, which is what a restarting server sends.

interface Options {
  /** Subscribes once. Exactly one of `onEnd` and nothing follows; @returns how to end it */
  start: (callbacks: { onLife: () => void; onEnd: () => void }) => () => void
  /** Asked before each new try; false ends it for good. */
  mayGoOn: () => Promise<boolean>
  after: (ms: number, work: () => void) => () => void
}

const WAIT_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000]

/** @returns how to end it */
export function keepSubscribed({ start, mayGoOn, after }: Options): () => void {
  let ended = false
  let tries = 0
  let stop: () => void = () => {}
  const begin = () => {
    let over = false
    stop = start({
      onLife: () => {
        tries = 0
      },
      onEnd: () => {
        if (over || ended) return
        over = true
        stop = after(WAIT_MS[Math.min(tries, WAIT_MS.length - 1)] ?? 0, () => void again())
        tries += 1
      },
    })
  }
  const again = async () => {
    const may = await mayGoOn()
    if (may && !ended) begin()
  }
  begin()
  return () => {
    ended = true
    stop()
  }
}
