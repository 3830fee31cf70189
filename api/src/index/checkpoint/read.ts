// Loading the newest checkpoint that is whole. Hashes are checked before anything is parsed, and before any native
// code sees a segment; then the parts are checked against each other.
import path from 'node:path'
import { z } from 'zod'
import type { SavedState } from '../state.ts'
import { type Manifest, type ManifestFile, manifestNumbers, readManifest } from './checkpoint.ts'
import { readWhole, verify } from './files.ts'

export interface LoadedCheckpoint {
  readonly number: number
  readonly saved: SavedState
  /** Segment files whose hash is known. */
  readonly files: ReadonlyMap<string, ManifestFile>
}

const documentsSchema = z.object({
  languages: z.array(z.string()).max(256),
  documents: z.array(
    z.tuple([z.number().int(), z.number().int(), z.string(), z.number().int(), z.number().int()]),
  ),
})

/**
 * Manifests from the newest on; `refused` is told about each one that can't be used. Files in `verified` were hashed
 * just now, by whoever brought them here.
 */
export async function* readCheckpoints(
  dir: string,
  refused: (number: number, error: unknown) => void,
  verified: ReadonlySet<string> = new Set(),
): AsyncGenerator<LoadedCheckpoint> {
  for (const number of await manifestNumbers(dir))
    try {
      yield await load(dir, number, verified)
    } catch (error) {
      refused(number, error)
    }
}

async function load(dir: string, number: number, verified: ReadonlySet<string>): Promise<LoadedCheckpoint> {
  const manifest = await readManifest(dir, number)
  for (const file of manifest.segments) if (!verified.has(file.name)) verify(dir, file)
  const state = readWhole(dir, manifest.state, !verified.has(manifest.state.name))
  const part = <A>(name: string, make: ArrayMaker<A>): A => {
    const [offset, bytes] = manifest.sections[name] ?? fail(`no section ${name}`)
    if (offset + bytes > state.length || bytes % make.BYTES_PER_ELEMENT !== 0) fail(`section ${name}`)
    return new make(state.buffer, state.byteOffset + offset, bytes / make.BYTES_PER_ELEMENT)
  }
  const { languages, documents } = documentsSchema.parse(JSON.parse(text(part('documents', Uint8Array))))
  const terms = text(part('terms', Uint8Array))
  const saved: SavedState = {
    position: manifest.position,
    generation: manifest.generation,
    passages: {
      ids: part('ids', Float64Array),
      lengths: part('lengths', Uint16Array),
      language: part('language', Uint8Array),
      slot: part('slot', Uint32Array),
      languages,
      documents: documents.map(([key, collectionKey, versionId, first, count]) => ({
        ...{ key, collectionKey, versionId, first, count },
      })),
    },
    postings: {
      terms: terms === '' ? [] : terms.split('\n'),
      offsets: part('offsets', Uint32Array),
      postings: part('postings', Uint32Array),
    },
    vectors: {
      dir: path.resolve(dir),
      files: manifest.segments.map(({ name }) => name),
      owner: part('owner', Uint32Array),
    },
  }
  check(saved, manifest)
  return { number, saved, files: new Map(manifest.segments.map((file) => [file.name, file])) }
}

interface ArrayMaker<A> {
  new (buffer: ArrayBufferLike, offset: number, length: number): A
  readonly BYTES_PER_ELEMENT: number
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** Hashes say that it is what was written; this says that what was written makes sense. */
function check({ passages, postings, vectors, generation }: SavedState, manifest: Manifest): void {
  const count = passages.ids.length
  if (
    passages.lengths.length !== count ||
    passages.language.length !== count ||
    passages.slot.length !== count
  )
    fail('columns of different length')
  let next = 0
  for (const document of [...passages.documents].sort((a, b) => a.first - b.first || a.count - b.count)) {
    if (document.count > 0 && document.first !== next) fail('documents with gaps')
    next += document.count
  }
  if (next !== count) fail('passages without a document')
  if (postings.offsets.length !== postings.terms.length + 1) fail('terms and offsets')
  if ((postings.offsets[postings.terms.length] ?? -1) !== postings.postings.length)
    fail('offsets and postings')
  if (manifest.segments.length > 0 && generation === null) fail('vectors without a generation')
  for (const place of vectors.owner)
    if (place !== 0xffffffff && place >= count) fail('a vector of no passage')
}

function fail(what: string): never {
  throw new Error(`the checkpoint does not fit together: ${what}`)
}
