// The indexes in the cluster: one is searched, by an alias; another may be in the making beside it. Each says in its
// mapping whose it is and what it holds. Words are analysed here, not there: the cluster keeps the terms as they are, so
// that both engines find the same words in every language, and no cluster needs plugins for them.
// Nothing shows by itself (refresh_interval -1): the writer refreshes where an entry of the log is complete, so that a
// document appears all at once (promise P7).
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Generation } from '../../source.ts'
import { type Cluster, Trouble } from './cluster.ts'

/** Raised when an older index can't be continued. */
const FORMAT = 1
const PRODUCT = 'terrace'
/** A document's deletion is remembered so long: until then no late write of an older entry undoes it. */
const REMEMBER_DELETIONS = '10m'

export interface IndexPlace {
  /** The name it is searched by: an alias. Lower case. */
  readonly alias: string
  /** Of one collection all passages are in one. */
  readonly shards: number
}

/** What an index is, from its own mapping. */
export interface IndexIdentity {
  /** Its own name, not the alias. */
  readonly name: string
  readonly generation: Generation | null
}

const embedding = (dimensions: number) => ({
  type: 'knn_vector',
  dimension: dimensions,
  // A second copy of every vector, for scripts only.
  doc_values: false,
  method: {
    ...{ name: 'hnsw', engine: 'lucene', space_type: 'cosinesimil' },
    parameters: { m: 16, ef_construction: 100 },
  },
})

const meta = (generation: Generation | null) => ({ product: PRODUCT, format: FORMAT, generation })

function body({ shards }: IndexPlace, generation: Generation | null) {
  return {
    settings: {
      index: {
        knn: true,
        number_of_shards: shards,
        // None on one node, one from two nodes on.
        auto_expand_replicas: '0-1',
        refresh_interval: '-1',
        gc_deletes: REMEMBER_DELETIONS,
      },
      analysis: { analyzer: { terms: { type: 'custom', tokenizer: 'whitespace' } } },
    },
    mappings: {
      dynamic: 'strict',
      _routing: { required: true },
      // A vector is kept as bytes too, for exact scores: as numbers in the source it would be five times as long.
      _source: { excludes: ['embedding'] },
      _meta: meta(generation),
      properties: {
        passageId: { type: 'long' },
        documentKey: { type: 'integer' },
        collectionKey: { type: 'integer' },
        versionId: { type: 'keyword', index: false, doc_values: false },
        language: { type: 'keyword' },
        words: { type: 'text', analyzer: 'terms', index_options: 'freqs' },
        length: { type: 'integer', index: false },
        embedded: { type: 'boolean' },
        vector: { type: 'binary' },
        state: { type: 'object', enabled: false },
        ...(generation === null ? {} : { embedding: embedding(generation.dimensions) }),
      },
    },
  }
}

/** A new, empty index, which nobody searches yet. @returns its name. @throws Trouble */
export async function createIndex(
  cluster: Cluster,
  place: IndexPlace,
  generation: Generation | null,
): Promise<string> {
  const name = `${place.alias}-g${generation?.id ?? 0}-${randomBytes(4).toString('hex')}`
  try {
    await cluster.send({ method: 'PUT', path: `/${name}`, body: body(place, generation), timeoutMs: 60_000 })
  } catch (error) {
    if (error instanceof Trouble && /index\.knn|knn_vector/.test(error.message))
      throw new Trouble('refused', 'This OpenSearch has no k-NN plugin, which Terrace needs.', {
        cause: error,
      })
    throw error
  }
  return name
}

/** An index that was without vectors gets its first generation's. @throws Trouble */
export async function addGeneration(cluster: Cluster, name: string, generation: Generation): Promise<void> {
  const properties = { embedding: embedding(generation.dimensions) }
  await cluster.send({
    method: 'PUT',
    path: `/${name}/_mapping`,
    body: { _meta: meta(generation), properties },
  })
}

const mappings = z.record(
  z.string(),
  z.object({ mappings: z.object({ _meta: z.unknown().optional() }).loose().optional() }).loose(),
)
const identity = z.object({
  product: z.literal(PRODUCT),
  format: z.number(),
  generation: z.object({ id: z.number(), dimensions: z.number() }).nullable(),
})

/**
 * The index that is searched by the alias. Null: there is none, or one of a format that has to be built anew.
 * @throws Trouble, `refused` where the name belongs to something that is not Terrace's: it is left alone
 */
export async function searchedIndex(cluster: Cluster, { alias }: IndexPlace): Promise<IndexIdentity | null> {
  const found = await mappingsOf(cluster, alias)
  const names = Object.keys(found)
  const [name] = names
  if (name === undefined) return null
  const own = identity.safeParse(found[name]?.mappings?._meta)
  if (!own.success || names.length > 1 || name === alias)
    throw new Trouble(
      'refused',
      `The name ${alias} in OpenSearch belongs to ${names.join(', ')}, which Terrace has not made. Nothing of it was changed. Name another one: the path of OPENSEARCH_URL.`,
    )
  return own.data.format === FORMAT ? { name, generation: own.data.generation } : null
}

async function mappingsOf(cluster: Cluster, alias: string): Promise<z.infer<typeof mappings>> {
  try {
    return mappings.parse(await cluster.send({ method: 'GET', path: `/${alias}/_mapping` }))
  } catch (error) {
    if (error instanceof Trouble && error.kind === 'missing') return {}
    throw error
  }
}

/** From here on searches go to this index, and no longer to the one before, which is left to `sweep`. In one step. @throws Trouble */
export async function searchIn(cluster: Cluster, { alias }: IndexPlace, name: string): Promise<void> {
  const before = Object.keys(await mappingsOf(cluster, alias)).filter((index) => index !== name)
  // Not deleted in the same step: while a snapshot is taken the cluster deletes no index.
  const actions = [...before.map((index) => ({ remove: { index, alias } })), { add: { index: name, alias } }]
  await cluster.send({ method: 'POST', path: '/_aliases', body: { actions }, timeoutMs: 60_000 })
}

/** Nobody is answered from it any more: it is of another history. @throws Trouble */
export async function stopSearching(cluster: Cluster, { alias }: IndexPlace): Promise<void> {
  const name = Object.keys(await mappingsOf(cluster, alias))[0]
  if (name === undefined) return
  await cluster.send({
    method: 'POST',
    path: '/_aliases',
    body: { actions: [{ remove: { index: name, alias } }] },
  })
}

/** Indexes of this format under this alias' names that nobody searches: half-made ones. @throws Trouble */
export async function unsearchedIndexes(cluster: Cluster, place: IndexPlace): Promise<IndexIdentity[]> {
  const own = await ownIndexes(cluster, place)
  return own.flatMap(({ name, format, generation, searched }) =>
    searched || format !== FORMAT ? [] : [{ name, generation }],
  )
}

/** Deletes what is under this alias' names but for these; `searched`: also what is searched. @throws Trouble */
export async function sweep(
  cluster: Cluster,
  place: IndexPlace,
  keep: ReadonlySet<string>,
  searched = true,
): Promise<void> {
  for (const index of await ownIndexes(cluster, place))
    if (!keep.has(index.name) && (searched || !index.searched))
      await cluster.send({ method: 'DELETE', path: `/${index.name}` })
}

interface OwnIndex extends IndexIdentity {
  readonly format: number
  readonly searched: boolean
}

async function ownIndexes(cluster: Cluster, { alias }: IndexPlace): Promise<OwnIndex[]> {
  const searched = Object.keys(await mappingsOf(cluster, alias))
  // As createIndex names them: those of another installation whose alias begins alike are none.
  const named = new RegExp(`^${alias}-g\\d+-[0-9a-f]{8}$`)
  return Object.entries(await mappingsOf(cluster, `${alias}-g*`)).flatMap(([name, { mappings: found }]) => {
    const own = identity.safeParse(found?._meta)
    return own.success && named.test(name) ? [{ name, ...own.data, searched: searched.includes(name) }] : []
  })
}
