// What every reranker must do, whatever speaks behind it. Each adapter's test runs these cases against the scripted server
// (api/test/scripted-reranker.ts).
import { expect, it } from 'vitest'
import { RERANK_FAULTS, type ScriptedReranker } from '../../test/scripted-reranker.ts'
import { type Reranker, RerankerFailure } from './port.ts'

export interface RerankerCase {
  readonly scripted: () => ScriptedReranker
  readonly create: () => Reranker
}

const QUESTION = 'How does the gate close?'
const TEXTS = ['Green tea needs cool water.', 'The gate does close by itself.', 'The gate is red.']

const STATUSES: readonly [number, string][] = [
  [400, 'unavailable'],
  [401, 'refused-key'],
  [403, 'refused-key'],
  [404, 'gone'],
  [408, 'late'],
  [410, 'gone'],
  [429, 'busy'],
  [500, 'unavailable'],
  [503, 'busy'],
]

export function rerankerCases({ scripted, create }: RerankerCase): void {
  const rerank = (texts: readonly string[] = TEXTS, signal = AbortSignal.timeout(20_000)) =>
    create().rerank(QUESTION, texts, signal)
  const failure = async (signal?: AbortSignal) =>
    await rerank(TEXTS, signal).then(
      () => 'none',
      (error: unknown) => error,
    )

  it('gives each text its score, in the order of the texts', async () => {
    scripted().script({})
    expect(await rerank()).toEqual([0, 4, 2])
    expect(await rerank(TEXTS.toReversed())).toEqual([2, 4, 0])
    expect(scripted().requests.at(-1)).toMatchObject({ query: QUESTION, texts: TEXTS.toReversed() })
  })

  it('asks nobody about no text', async () => {
    const before = scripted().requests.length
    expect(await rerank([])).toEqual([])
    expect(scripted().requests.length).toBe(before)
  })

  it.each(STATUSES)('status %i is a failure: %s, without what was sent', async (error, reason) => {
    scripted().script({ error })
    const thrown = await failure()
    expect(thrown).toBeInstanceOf(RerankerFailure)
    expect(thrown).toMatchObject({ reason })
    expect(String(thrown)).not.toContain('gate')
  })

  it.each(RERANK_FAULTS.filter((fault) => fault !== 'stall'))(
    'a reply that is none is refused as a whole: %s',
    async (broken) => {
      scripted().script({ broken })
      const thrown = await failure()
      expect(thrown).toBeInstanceOf(RerankerFailure)
      expect(thrown).toMatchObject({ reason: broken === 'cut' ? 'unavailable' : 'broken' })
      if (broken === 'endless') await expect.poll(() => scripted().requests.at(-1)?.aborted).toBe(true)
    },
  )

  it.each([{ hang: true }, { broken: 'stall' as const }])(
    'closes the connection when it is told to stop: %j',
    async (knobs) => {
      scripted().script(knobs)
      const stop = new AbortController()
      const before = scripted().requests.length
      const stopped = failure(stop.signal)
      await expect.poll(() => scripted().requests.length).toBe(before + 1)
      stop.abort(new Error('enough'))
      expect(await stopped).toMatchObject({ message: 'enough' })
      await expect.poll(() => scripted().requests.at(-1)?.aborted).toBe(true)
      expect(await failure(stop.signal)).toMatchObject({ message: 'enough' })
      expect(scripted().requests.length).toBe(before + 1)
    },
  )
}
