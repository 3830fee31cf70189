import { expect, it } from 'vitest'
import { type AwsCredentials, createAwsCredentials, NoAwsCredentials } from './aws-credentials.ts'

const MINUTE = 60_000

/** A source whose answers a test sets, with a clock that it sets too. */
function scripted() {
  const state = { now: 0, asked: 0, lifetime: 60 * MINUTE, away: false }
  const source = createAwsCredentials({
    now: () => state.now,
    ask: async (): Promise<AwsCredentials> => {
      state.asked++
      if (state.away) throw new Error('the source is away')
      const expiration = new Date(state.now + state.lifetime)
      return { accessKeyId: `AKID${state.asked}`, secretAccessKey: 'secret', expiration }
    },
  })
  return { state, source, id: async (anew?: boolean) => (await source.current(anew)).accessKeyId }
}

it('keeps credentials until five minutes before they expire, and asks once for many that need them', async () => {
  const { state, id } = scripted()
  expect(await Promise.all([id(), id(), id()])).toEqual(['AKID1', 'AKID1', 'AKID1'])
  state.now = 55 * MINUTE - 1
  expect(await id()).toBe('AKID1')
  state.now++
  expect(await id()).toBe('AKID2')
  expect(await id(true)).toBe('AKID3')
  expect(await id()).toBe('AKID3')
})

it('a source that hands out nothing but expired credentials is asked once a second, not without end', async () => {
  const { state, id } = scripted()
  state.lifetime = -MINUTE
  // They are given all the same: whoever they are shown to says whether they are good.
  for (let tenth = 0; tenth < 10; tenth++, state.now += 100) expect(await id()).toBe('AKID1')
  expect(await id()).toBe('AKID2')
  expect(state.asked).toBe(2)
})

it('a source that is away takes nothing from credentials that are still good', async () => {
  const { state, id } = scripted()
  await id()
  state.away = true
  state.now = 56 * MINUTE
  expect([await id(), await id()]).toEqual(['AKID1', 'AKID1'])
  expect(state.asked).toBe(2)
  // Also after a refusal: the source is asked, each time, and its silence is no reason to have none.
  expect([await id(true), await id(true)]).toEqual(['AKID1', 'AKID1'])
  expect(state.asked).toBe(4)
  state.now = 60 * MINUTE
  await expect(id(true)).rejects.toThrow(NoAwsCredentials)
  await expect(id()).rejects.toThrow(
    'no AWS credentials: none in the environment, the shared files or a role',
  )
  state.away = false
  expect(await id()).toMatch(/^AKID/)
})

it('credentials without an end are kept through a refusal while their source is away, which is asked again', async () => {
  const state = { asked: 0, away: false, now: 0 }
  const source = createAwsCredentials({
    now: () => state.now,
    ask: async () => {
      state.asked++
      if (state.away) throw new Error('the source is away')
      return { accessKeyId: `AKID${state.asked}`, secretAccessKey: 'secret' }
    },
  })
  const id = async (anew?: boolean) => (await source.current(anew)).accessKeyId
  expect([await id(), await id()]).toEqual(['AKID1', 'AKID1'])
  state.away = true
  expect(await id(true)).toBe('AKID1')
  state.away = false
  state.now = MINUTE
  expect(await id()).toBe('AKID3')
})

it('a source that never answers is given up', async () => {
  const source = createAwsCredentials({ ask: () => new Promise(() => {}), limitMs: 20 })
  await expect(source.current()).rejects.toThrow('their source did not answer within 0.02 s')
})
