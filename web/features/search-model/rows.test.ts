import { describe, expect, test } from 'vitest'
import { type Embedder, type Generation, isUnderWay, rowsOf } from './rows.ts'

const generation = (more: Partial<Generation>): Generation => ({
  ...{ id: 1, embedderId: 'local', name: 'Local', dimensions: 384, state: 'active' },
  ...{ passages: 10, embedded: 10, ready: true, secondsLeft: null, passagesPerMinute: null, problem: null },
  ...more,
})
const embedder = (more: Partial<Embedder>): Embedder => ({
  ...{ id: 'local', name: 'Local', host: null, dimensions: 384, generationId: 1 },
  ...more,
})
const states = (generations: Generation[], embedders: Embedder[]) =>
  rowsOf({ generations, embedders, searchedId: 1 }).map(({ name, state }) => [name, state])

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
      isUnderWay({ generations, embedders: [], searchedId })
    expect(under([generation({})])).toBe(false)
    expect(under([generation({})], 2)).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'previous' })])).toBe(false)
    expect(under([generation({}), generation({ id: 2, state: 'previous', ready: false })])).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'removing' })])).toBe(true)
    expect(under([generation({}), generation({ id: 2, state: 'building' })])).toBe(true)
  })
})
