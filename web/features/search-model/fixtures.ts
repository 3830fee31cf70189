// What the API lists, for the tests here.
import type { Embedder, Generation, Overview } from './rows.ts'

export const generation = (more: Partial<Generation>): Generation => ({
  ...{ id: 1, embedderId: 'local', name: 'Local', dimensions: 384, state: 'active' },
  ...{ passageTokens: 200, parser: 1, documents: 4, documentsRead: 4 },
  ...{ passages: 10, embedded: 10, ready: true, secondsLeft: null, passagesPerMinute: null, problem: null },
  ...more,
})

export const embedder = (more: Partial<Embedder>): Embedder => ({
  ...{ id: 'local', name: 'Local', host: null, dimensions: 384, generationId: 1 },
  ...more,
})

export const overview = (more: Partial<Overview>): Overview => ({
  ...{ generations: [], embedders: [], searchedId: 1, passageTokens: [120, 200, 320], parser: 1 },
  ...more,
})
