import { describe, expect, it } from 'vitest'
import { followTogether, type Stage } from './one-of-many.ts'

/** Tabs of one browser: a lock that goes from one to the next, a channel that reaches all others. */
function browser(): Stage<string> {
  const queue: { lead: () => void; signal: AbortSignal }[] = []
  const listeners = new Set<(event: string) => void>()
  let holder: AbortSignal | null = null
  const grant = (): void => {
    if (holder !== null && !holder.aborted) return
    const next = queue.shift()
    if (next === undefined) return
    if (next.signal.aborted) {
      grant()
      return
    }
    holder = next.signal
    next.signal.addEventListener('abort', grant, { once: true })
    next.lead()
  }
  return {
    elect(lead, signal) {
      queue.push({ lead, signal })
      grant()
    },
    open(onEvent) {
      const listener = (event: string) => onEvent(event)
      listeners.add(listener)
      return {
        post: (event) => {
          for (const each of listeners) if (each !== listener) each(event)
        },
        close: () => listeners.delete(listener),
      }
    },
  }
}

function tabs(count: number) {
  const stage = browser()
  const open = new Set<(event: string) => void>()
  const heard = Array.from({ length: count }, (): string[] => [])
  const leave = heard.map((own) =>
    followTogether<string>({
      stage,
      subscribe: (onEvent) => {
        open.add(onEvent)
        onEvent('first')
        return () => open.delete(onEvent)
      },
      onEvent: (event) => own.push(event),
    }),
  )
  const send = (event: string) => {
    for (const each of open) each(event)
  }
  return { open, heard, leave, send }
}

describe('one subscription for many tabs', () => {
  it('opens one stream, and every tab hears each event once', () => {
    const { open, heard, send } = tabs(8)
    send('a')
    expect(open.size).toBe(1)
    expect(heard.map((events) => events.filter((event) => event === 'a'))).toEqual(Array(8).fill(['a']))
  })

  it('goes on in another tab when the first closes, and every tab hears that it may have missed something', () => {
    const { open, heard, leave, send } = tabs(3)
    leave[0]?.()
    send('b')
    expect(open.size).toBe(1)
    expect(heard).toEqual([['first'], ['first', 'b'], ['first', 'b']])
  })

  it('skips a tab that left while it was waiting', () => {
    const { open, heard, leave, send } = tabs(3)
    leave[1]?.()
    leave[0]?.()
    send('c')
    expect(open.size).toBe(1)
    expect(heard.at(-1)).toEqual(['first', 'c'])
    expect(heard[1]).toEqual([])
    leave[2]?.()
    expect(open.size).toBe(0)
  })
})
