// The embedders of this process, as EMBEDDERS says. Each belongs to the generations of its digest: vectors are only ever
// compared with those of the same one.
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { parseEmbedders } from './configured-embedders.ts'
import { findEmbedder } from './embedder.ts'
import { createEmbeddingEndpoint } from './embedding-endpoint.ts'
import { generationDigest } from './generation.ts'
import { createOutbound } from './outbound.ts'
import type { Embedder } from './port.ts'
import { keyOf } from './setting.ts'

export interface OfferedEmbedder {
  /** Of EMBEDDERS. */
  readonly id: string
  readonly name: string
  /** The endpoint's host; null for one that runs here. */
  readonly host: string | null
  /** Null when its weights are missing. */
  readonly embedder: Embedder | null
  /** What its generations are found by (generation.ts); null with it. */
  readonly digest: string | null
}

export interface Embedders {
  /** In the order of EMBEDDERS. */
  readonly offered: readonly OfferedEmbedder[]
  /** The one that a new installation begins with: the first that can be used. */
  readonly first: Embedder | null
  ofDigest(digest: string): Embedder | undefined
  close(): Promise<void>
}

export interface EmbeddersOptions {
  /** Of the local one: sessions, about 90 MB each. 0: one for each core. */
  readonly threads: number
  /** Niceness of those threads. Default 0. */
  readonly nice?: number
  readonly log: Logger
}

/** Nothing is started yet: see `ready()`. @throws Error in plain words when EMBEDDERS is not valid */
export async function createEmbedders(
  config: Pick<Config, 'embedders' | 'modelDir'>,
  options: EmbeddersOptions,
): Promise<Embedders> {
  const entries = parseEmbedders(config.embedders)
  const outbound = createOutbound(
    entries.flatMap((entry) => ('url' in entry ? [new URL(entry.url).origin] : [])),
  )
  const offered = await Promise.all(
    entries.map(async (entry, index): Promise<OfferedEmbedder> => {
      if (entry.type === 'local') return offer(entry, null, await findEmbedder(config, options))
      const { id, url, batch, parallel, timeoutSeconds, queryTimeoutSeconds, key } = entry
      const { model, revision, queryPrefix, passagePrefix, dimensions } = entry
      const embedder = createEmbeddingEndpoint(outbound, {
        ...{ id, url, batch, parallel, timeoutSeconds, queryTimeoutSeconds, log: options.log },
        apiKey: keyOf('EMBEDDERS', index, key),
        identity: { model, source: 'endpoint', revision, queryPrefix, passagePrefix, dimensions },
      })
      return offer(entry, new URL(url).host, embedder)
    }),
  )
  return embeddersOf(offered, () => outbound.close())
}

/** @param onClose after the embedders are closed */
export function embeddersOf(
  offered: readonly OfferedEmbedder[],
  onClose: () => Promise<void> = async () => {},
): Embedders {
  const byDigest = new Map(
    offered.flatMap(({ embedder, digest }) =>
      embedder === null || digest === null ? [] : [[digest, embedder] as const],
    ),
  )
  return {
    offered,
    first: offered.find(({ embedder }) => embedder !== null)?.embedder ?? null,
    ofDigest: (digest) => byDigest.get(digest),
    async close() {
      await Promise.all(offered.map(({ embedder }) => embedder?.close()))
      await onClose()
    },
  }
}

export function offer(
  { id, name }: { readonly id: string; readonly name: string },
  host: string | null,
  embedder: Embedder | null,
): OfferedEmbedder {
  return { id, name, host, embedder, digest: embedder === null ? null : generationDigest(embedder.identity) }
}
