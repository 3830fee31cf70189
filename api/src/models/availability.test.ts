import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import { ModelAvailability, type Seen } from './availability.ts'
import type { LanguageModel, ModelEvent } from './port.ts'

const MINUTE = 60_000

/** A model whose server shows what a test says, at a time that a test sets. */
function scene(seen: Seen = { state: 'available' }) {
  const clock = { ms: 0 }
  const shown = { seen, looks: 0, hold: Promise.resolve() }
  const availability = new ModelAvailability(pino({ level: 'silent' }), () => clock.ms)
  const look = async () => {
    shown.looks++
    await shown.hold
    return shown.seen
  }
  return {
    ...{ availability, clock, shown },
    look: () => availability.look([{ id: 'm', look }]),
    state: () => availability.of('m').state,
    tell: (code: ErrorCode | null, detail = {}) =>
      availability.tell('m', code === null ? null : new AppError(code, detail)),
    async pass(ms: number) {
      clock.ms += ms
      await this.look()
      // Whoever lists does not wait for this look; the test does.
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('looks', () => {
  it('are kept for 30 s; what is known is shown at once while the next one runs', async () => {
    const s = scene()
    expect(s.state()).toBe('unknown')
    await s.look()
    expect([s.state(), s.shown.looks]).toEqual(['available', 1])
    s.clock.ms += 29_999
    await s.look()
    expect(s.shown.looks).toBe(1)
    let release = () => {}
    s.shown.hold = new Promise((resolve) => {
      release = resolve
    })
    s.shown.seen = { state: 'unreachable' }
    s.clock.ms += 1
    await s.look()
    expect([s.state(), s.shown.looks]).toEqual(['available', 2])
    // Never two at once.
    await Promise.all([s.look(), s.look()])
    expect(s.shown.looks).toBe(2)
    release()
    await new Promise((resolve) => setImmediate(resolve))
    expect(s.state()).toBe('unreachable')
  })

  it('a first look that hangs keeps nobody for long: not known counts as usable', async () => {
    const s = scene()
    s.shown.hold = new Promise(() => {})
    await Promise.all([s.look(), s.look()])
    expect([s.state(), s.availability.isUsable('m'), s.shown.looks]).toEqual(['unknown', true, 1])
    // The patience is for all who ask meanwhile, not for each anew.
    await s.look()
  })

  it('one that throws found nobody', async () => {
    const availability = new ModelAvailability(pino({ level: 'silent' }))
    await availability.look([{ id: 'm', look: () => Promise.reject(new Error('broken')) }])
    expect(availability.of('m').state).toBe('unreachable')
  })

  it('tell since when it is so', async () => {
    const s = scene()
    await s.look()
    const { since } = s.availability.of('m')
    await s.pass(MINUTE)
    expect(s.availability.of('m').since).toBe(since)
    s.shown.seen = { state: 'unreachable' }
    await s.pass(MINUTE)
    expect(s.availability.of('m').since).not.toBe(since)
  })

  it('of a closed server count no more', async () => {
    const s = scene({ state: 'unreachable' })
    s.availability.close()
    await s.look()
    expect([s.state(), s.shown.looks]).toEqual(['unknown', 0])
  })
})

describe('answers', () => {
  it.each([
    ['MODEL_UNAVAILABLE', 'unreachable', 30_000],
    ['MODEL_BUSY', 'busy', 30_000],
    ['MODEL_ALLOWANCE_USED', 'allowance-used', 10 * MINUTE],
    ['MODEL_REFUSED_KEY', 'refused-key', 10 * MINUTE],
    ['MODEL_RETIRED', 'retired', 60 * MINUTE],
  ] as const)('%s: %s at once, for %i ms, whatever a look shows', async (code, state, ms) => {
    const s = scene()
    await s.look()
    s.tell(code)
    expect(s.state()).toBe(state)
    await s.pass(ms - 1)
    expect(s.state()).toBe(state)
    await s.pass(1)
    expect(s.state()).toBe('available')
  })

  it.each([
    ['MODEL_UNAVAILABLE', [0.5, 1, 2, 4, 8, 10, 10]],
    ['MODEL_ALLOWANCE_USED', [10, 20, 40, 60, 60]],
    ['MODEL_RETIRED', [60, 60]],
    ['MODEL_BUSY', [0.5, 0.5]],
  ] as const)(
    '%s again and again, while looks are well: out for longer each time, until one came',
    async (code, rests) => {
      const s = scene()
      await s.look()
      const failsFor = async (minutes: number) => {
        s.tell(code)
        await s.pass(minutes * MINUTE - 1)
        expect(s.state()).not.toBe('available')
        await s.pass(1)
        expect(s.state()).toBe('available')
      }
      for (const minutes of rests) await failsFor(minutes)
      s.tell(null)
      await failsFor(rests[0])
    },
  )

  it('many that fail together are one failure', async () => {
    const s = scene()
    for (let i = 0; i < 20; i++) s.tell('MODEL_UNAVAILABLE')
    await s.pass(30_000)
    expect(s.state()).toBe('available')
    // Busy between two failures is no answer that came.
    s.tell('MODEL_UNAVAILABLE')
    s.tell('MODEL_BUSY')
    await s.pass(30_000)
    s.tell('MODEL_UNAVAILABLE')
    await s.pass(2 * MINUTE - 1)
    expect(s.state()).toBe('unreachable')
  })

  it('a busy model says how long', async () => {
    const s = scene()
    s.tell('MODEL_BUSY', { seconds: 90 })
    s.clock.ms = 89_999
    expect(s.state()).toBe('busy')
    s.clock.ms = 90_000
    expect(s.state()).toBe('unknown')
    s.tell('MODEL_BUSY', { seconds: 1e9 })
    s.clock.ms += 10 * MINUTE
    expect(s.state()).toBe('unknown')
  })

  it.each(['MODEL_STALLED', 'MODEL_BROKEN', 'MODEL_REFUSED_REQUEST', 'INTERNAL'] as const)(
    '%s says nothing of the next one',
    async (code) => {
      const s = scene()
      await s.look()
      s.tell(code)
      expect(s.state()).toBe('available')
    },
  )

  it('one that came makes it available at once, against a failure and against a look', async () => {
    const s = scene({ state: 'unreachable' })
    await s.look()
    s.tell('MODEL_REFUSED_KEY')
    s.tell(null)
    expect(s.state()).toBe('available')
    // It counts as a look.
    await s.pass(29_999)
    expect([s.state(), s.shown.looks]).toEqual(['available', 1])
    await s.pass(1)
    expect([s.state(), s.shown.looks]).toEqual(['unreachable', 2])
  })

  it.each(['not-listed', 'refused-key'] as const)(
    'one that came says more than a doubtful look (%s), until the key is refused',
    async (state) => {
      const s = scene({ state, doubtful: true })
      await s.look()
      expect(s.state()).toBe(state)
      s.tell(null)
      await s.pass(MINUTE)
      expect(s.state()).toBe('available')
      s.tell('MODEL_REFUSED_KEY')
      await s.pass(10 * MINUTE)
      expect(s.state()).toBe(state)
    },
  )

  it('what is not usable is not taken by default; busy and not listed are warnings', async () => {
    const usable = async (seen: Seen) => {
      const s = scene(seen)
      await s.look()
      return s.availability.isUsable('m')
    }
    for (const state of ['available', 'not-listed', 'busy'] as const)
      expect(await usable({ state })).toBe(true)
    for (const state of ['unreachable', 'refused-key'] as const) expect(await usable({ state })).toBe(false)
    for (const code of ['MODEL_ALLOWANCE_USED', 'MODEL_RETIRED'] as const) {
      const s = scene()
      s.tell(code)
      expect(s.availability.isUsable('m')).toBe(false)
    }
  })
})

describe('a watched model', () => {
  const model = (stream: () => AsyncGenerator<ModelEvent>): LanguageModel => ({
    info: { id: 'm', name: 'M', provider: 'test', contextTokens: null, price: null, available: true },
    stream,
  })
  const options = { maxOutputTokens: 10, signal: new AbortController().signal }

  it('tells of its first word, and of what ends it', async () => {
    const s = scene({ state: 'unreachable' })
    await s.look()
    const watched = s.availability.watched(
      model(async function* () {
        yield { type: 'text', text: 'a' }
        yield { type: 'text', text: 'b' }
        throw new AppError('MODEL_UNAVAILABLE')
      }),
    )
    const heard: string[] = []
    await expect(async () => {
      for await (const event of watched.stream([], options)) {
        if (event.type === 'text') heard.push(`${event.text} ${s.state()}`)
      }
    }).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE' })
    expect(heard).toEqual(['a available', 'b available'])
    expect(s.state()).toBe('unreachable')
  })

  it('ends with its reader, and says nothing then', async () => {
    const s = scene()
    let ended = false
    const watched = s.availability.watched(
      model(async function* () {
        try {
          for (;;) yield { type: 'text', text: 'a' }
        } finally {
          ended = true
        }
      }),
    )
    for await (const _ of watched.stream([], options)) break
    expect(ended).toBe(true)
    expect(s.state()).toBe('available')
  })
})
