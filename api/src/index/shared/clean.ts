// What no kept manifest names goes, manifests first. Only of this term and earlier ones: a builder that was paused
// must not remove what its successor has just stored.
import {
  type CheckpointStore,
  FILES,
  fileKey,
  listManifests,
  manifestKey,
  type SharedManifest,
  termOfFile,
} from './shared.ts'

export async function clean(
  store: CheckpointStore,
  term: number,
  kept: readonly SharedManifest[],
): Promise<void> {
  const keep = new Set(
    kept.flatMap(({ term: of, checkpoint: { position, state, segments } }) => [
      manifestKey({ seq: position.seq, term: of }),
      ...[state, ...segments].map((file) => fileKey(of, file)),
    ]),
  )
  for (const name of await listManifests(store))
    if (name.term <= term && !keep.has(name.key)) await store.delete(name.key)
  for await (const { key } of store.list(FILES)) {
    const of = termOfFile(key)
    if (of !== null && of <= term && !keep.has(key)) await store.delete(key)
  }
}
