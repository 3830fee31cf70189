import { describe, expect, test } from 'vitest'
import { embedder, generation, overview } from './fixtures.ts'
import { type Embedder, type Generation, isUnderWay, rowsOf } from './rows.ts'

const states = (generations: Generation[], embedders: Embedder[]) =>
  rowsOf(overview({ generations, embedders })).map(({ name, state }) => [name, state])

describe('rows of the search models', () => {
  test('each stands there once, what is in use first', () => {
    const far = embedder({ id: 'far', name: 'Far', host: 'h', generationId: 2 })
    const other = embedder({ id: 'other', name: 'Other', generationId: null })
    const gone = embedder({ id: 'gone', name: 'Gone', dimensions: null, generationId: null })
    const building = generation({ id: 2, embedderId: 'far', name: 'Far', state: 'building', ready: false })
    expect(states([building, generation({})], [other, gone, far, embedder({})])).toEqual([
      ['Local', 'active'],
      ['Far', 'building'],
      ['Other', 'available'],
      ['Gone', 'missing'],
    ])
  })

  test('several of the same model have a row each, and the model none of its own', () => {
    const rows = rowsOf(
      overview({
        generations: [
          generation({ id: 1, state: 'previous' }),
          generation({ id: 2, passageTokens: 120 }),
          generation({ id: 3, passageTokens: 320, state: 'building', ready: false }),
        ],
        embedders: [embedder({ generationId: 2 }), embedder({ id: 'far', name: 'Far', generationId: null })],
      }),
    )
    expect(rows.map(({ state, generation }) => [state, generation?.passageTokens])).toEqual([
      ['active', 120],
      ['building', 320],
      ['previous', 200],
      ['available', undefined],
    ])
    expect(rows.map((row) => row.embedder?.id)).toEqual(['local', 'local', 'local', 'far'])
    expect(new Set(rows.map(({ key }) => key)).size).toBe(4)
  })

  test('one that is not configured any more is still shown', () => {
    expect(states([generation({ embedderId: null, name: 'old-model' })], [])).toEqual([
      ['old-model', 'active'],
    ])
  })

  test('a build that stands still is paused, one that lacks nothing is ready', () => {
    const problem = { code: 'EMBEDDER_BUSY', detail: {} } as const
    const building = { state: 'building', ready: false } as const
    expect(states([generation({ ...building, problem })], [])).toEqual([['Local', 'paused']])
    expect(states([generation({ ...building, ready: true })], [])).toEqual([['Local', 'ready']])
  })

  test('is asked often only while something moves', () => {
    const under = (generations: Generation[], searchedId: number | null = 1) =>
      isUnderWay(overview({ generations, searchedId }))
    expect(under([generation({})])).toBe(false)
    expect(under([generation({})], 2)).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'previous' })])).toBe(false)
    expect(under([generation({}), generation({ id: 2, state: 'previous', ready: false })])).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'removing' })])).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'building' })])).toBe(true)
  })
})
