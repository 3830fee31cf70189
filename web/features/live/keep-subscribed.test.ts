import { describe, expect, it } from 'vitest'
import { keepSubscribed } from './keep-subscribed.ts'

function scripted(mayGoOn: () => boolean = () => true) {
  const started: { onLife: () => void; onEnd: () => void }[] = []
  const waits: { ms: number; work: () => void }[] = []
  let stopped = 0
  const end = keepSubscribed({
    start: (callbacks) => {
      started.push(callbacks)
      return () => {
        stopped += 1
      }
    },
    mayGoOn: async () => mayGoOn(),
    after: (ms, work) => {
      const wait = { ms, work }
      waits.push(wait)
      return () => waits.splice(waits.indexOf(wait), 1)
    },
  })
  const wait = async () => {
    const next = waits.shift()
    next?.work()
    await Promise.resolve()
    await Promise.resolve()
    return next?.ms
  }
  return { started, waits, wait, end, stopped: () => stopped }
}

describe('a subscription that comes back', () => {
  it('waits longer each time, and short again once it had life', async () => {
    const { started, wait } = scripted()
    const waited: (number | undefined)[] = []
    for (let round = 0; round < 3; round += 1) {
      started.at(-1)?.onEnd()
      waited.push(await wait())
    }
    started.at(-1)?.onLife()
    started.at(-1)?.onEnd()
    waited.push(await wait())
    expect(waited).toEqual([500, 1_000, 2_000, 500])
    expect(started).toHaveLength(5)
  })

  it('counts one end of one subscription once', () => {
    const { started, waits } = scripted()
    started[0]?.onEnd()
    started[0]?.onEnd()
    expect(waits).toHaveLength(1)
  })

  it('does not come back to someone who is signed out, nor after it was ended', async () => {
    const out = scripted(() => false)
    out.started[0]?.onEnd()
    await out.wait()
    expect(out.started).toHaveLength(1)

    const left = scripted()
    left.end()
    left.started[0]?.onEnd()
    expect([left.stopped(), left.waits.length]).toEqual([1, 0])
  })
})
