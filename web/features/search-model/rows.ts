// The search models as the page shows them: a row for each generation, and for each model that has none.
import type { Outputs } from '../../lib/trpc.ts'

export type Overview = Outputs['generations']['list']
export type Generation = Overview['generations'][number]
export type Embedder = Overview['embedders'][number]

export type RowState =
  | 'active'
  | 'building'
  | 'ready'
  | 'paused'
  | 'previous'
  | 'removing'
  | 'available'
  | 'missing'

export interface Row {
  readonly key: string
  readonly name: string
  readonly host: string | null
  readonly dimensions: number | null
  readonly state: RowState
  readonly generation: Generation | null
  readonly embedder: Embedder | null
}

const ORDER: readonly RowState[] = [
  ...(['active', 'ready', 'building', 'paused', 'previous', 'available', 'missing', 'removing'] as const),
]

/** In use first, then what is on its way, then what could be. */
export function rowsOf({ generations, embedders }: Overview): Row[] {
  const withVectors = generations.map((generation): Row => {
    const embedder = embedders.find(({ id }) => id === generation.embedderId) ?? null
    return {
      ...{ key: `generation-${generation.id}`, name: generation.name, generation, embedder },
      ...{ host: embedder?.host ?? null, dimensions: generation.dimensions, state: stateOf(generation) },
    }
  })
  const without = embedders
    .filter(({ generationId }) => generationId === null)
    .map((embedder): Row => {
      const { id, name, host, dimensions } = embedder
      const state = dimensions === null ? 'missing' : 'available'
      return { key: `embedder-${id}`, generation: null, embedder, name, host, dimensions, state }
    })
  return [...withVectors, ...without].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
}

function stateOf({ state, ready, problem }: Generation): RowState {
  if (state !== 'building') return state
  return ready ? 'ready' : problem === null ? 'building' : 'paused'
}

/** Whether something moves, so that it is worth asking often. */
export function isUnderWay({ generations, searchedId }: Overview): boolean {
  return generations.some(
    ({ id, state, ready }) =>
      state === 'building' || state === 'removing' || !ready || (state === 'active' && id !== searchedId),
  )
}
