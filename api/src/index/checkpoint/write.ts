// Writing a checkpoint of a state that goes on changing. Everything but `alive` only grows, so the state at this
// moment is: the lengths now, a copy of `alive`, and the documents now. Dead passages, their postings and vectors are
// left out and the rest is renumbered, so writing is compaction too; the process that loads it starts compact.
import { randomBytes } from 'node:crypto'
import { Pace } from '../pace.ts'
import type { DocumentEntry } from '../passages.ts'
import type { Generation } from '../source.ts'
import type { IndexState, LogPosition } from '../state.ts'
import { NOBODY } from '../vectors/store.ts'
import { clean, type Manifest, type ManifestFile, syncFolder, writeManifest } from './checkpoint.ts'
import { type FileWriter, NewFiles } from './files.ts'
import { type LiveVectors, planSegments, writeSegment } from './segments.ts'

const POSTINGS_SLICE = 1 << 16

export interface Written {
  readonly number: number
  readonly position: LogPosition
}

/** What is remembered of the state at the moment the checkpoint stands for. */
interface Frozen {
  readonly position: LogPosition
  readonly generation: Generation | null
  readonly places: number
  readonly terms: number
  readonly documents: readonly DocumentEntry[]
  readonly live: number
  /** Old place → new place, NOBODY for a dead one. */
  readonly moved: Uint32Array
  readonly vectors: LiveVectors | null
}

/** One at a time. Nothing is left behind when it throws or the signal aborts. */
export async function writeCheckpoint(
  state: IndexState,
  dir: string,
  known: ReadonlyMap<string, ManifestFile>,
  signal?: AbortSignal,
): Promise<Written> {
  const pace = new Pace(signal)
  const frozen = freeze(state)
  await using made = new NewFiles(dir, pace)
  const { files, owner } = await writeVectors(state, made, frozen, known)
  const sections: Manifest['sections'] = {}
  const writer = await made.create(`state-${randomBytes(8).toString('hex')}.bin`)
  const section = async (name: string, data: ArrayBufferView) => {
    const padding = (8 - (writer.bytes % 8)) % 8
    if (padding > 0) await writer.write(new Uint8Array(padding))
    sections[name] = [writer.bytes, data.byteLength]
    await writer.write(data)
  }
  await writePassages(state, frozen, section)
  await section('owner', owner)
  await writePostings(state, frozen, writer, section, sections, pace)
  const file = await writer.finish()
  await made.settle()
  await syncFolder(dir)
  const number = await writeManifest(dir, {
    format: 1,
    position: frozen.position,
    generation: frozen.generation,
    state: file,
    sections,
    segments: files,
  })
  made.complete()
  await clean(dir, namesInUse(state))
  return { number, position: frozen.position }
}

/** What may not be removed while this state is searched. */
export function namesInUse(state: IndexState): ReadonlySet<string> {
  return new Set(state.vectors?.segments.flatMap(({ name }) => name ?? []))
}

/** The only part that has to happen at once: under a millisecond for 100,000 passages. */
function freeze(state: IndexState): Frozen {
  const { passages } = state
  const documents = passages.documentAt
    .filter((document) => document !== undefined)
    .sort((a, b) => a.first - b.first)
  const moved = new Uint32Array(passages.count).fill(NOBODY)
  let live = 0
  for (const { first, count } of documents)
    for (let place = first; place < first + count; place++) moved[place] = live++
  return {
    position: state.position,
    generation: state.generation,
    places: passages.count,
    terms: state.lexical.postings.terms.length,
    documents: documents.map((document) => ({ ...document })),
    live,
    moved,
    vectors: planSegments(state.vectors, moved),
  }
}

type WriteSection = (name: string, data: ArrayBufferView) => Promise<void>

async function writePassages(state: IndexState, frozen: Frozen, section: WriteSection): Promise<void> {
  const { passages } = state
  const ids = new Float64Array(frozen.live)
  const lengths = new Uint16Array(frozen.live)
  const language = new Uint8Array(frozen.live)
  const slot = new Uint32Array(frozen.live)
  const documents = frozen.documents.map(({ key, collectionKey, versionId, first, count }, n) => {
    const start = count === 0 ? 0 : (frozen.moved[first] ?? 0)
    for (let i = 0; i < count; i++) {
      ids[start + i] = passages.ids.values[first + i] ?? 0
      lengths[start + i] = passages.lengths.values[first + i] ?? 0
      language[start + i] = passages.language.values[first + i] ?? 0
      slot[start + i] = n
    }
    return [key, collectionKey, versionId, start, count]
  })
  await section('ids', ids)
  await section('lengths', lengths)
  await section('language', language)
  await section('slot', slot)
  await section('documents', Buffer.from(JSON.stringify({ languages: passages.languages, documents })))
}

/** Term by term; a term of dead passages only is left out. */
async function writePostings(
  state: IndexState,
  frozen: Frozen,
  writer: FileWriter,
  section: WriteSection,
  sections: Record<string, [number, number]>,
  pace: Pace,
): Promise<void> {
  const { postings } = state.lexical
  const { moved } = frozen
  const terms: string[] = []
  const offsets = new Uint32Array(frozen.terms + 1)
  await section('postings', new Uint8Array(0))
  let slice = new Uint32Array(POSTINGS_SLICE)
  let used = 0
  let total = 0
  for (let term = 0; term < frozen.terms; term++) {
    const before = total
    postings.runs(
      term,
      (run, from, to) => {
        if (used + to - from > slice.length) {
          const larger = new Uint32Array((used + to - from) * 2)
          larger.set(slice.subarray(0, used))
          slice = larger
        }
        for (let i = from; i < to; i++) {
          const posting = run[i] ?? 0
          const place = moved[posting >>> 8] ?? NOBODY
          if (place === NOBODY) continue
          slice[used++] = ((place << 8) | (posting & 255)) >>> 0
          total++
        }
      },
      frozen.places,
    )
    if (total > before) {
      terms.push(postings.terms[term] ?? '')
      offsets[terms.length] = total
    }
    if (used >= POSTINGS_SLICE) {
      await writer.write(slice.subarray(0, used))
      used = 0
    }
    if ((term & 63) === 0 && pace.due) await pace.pause()
  }
  await writer.write(slice.subarray(0, used))
  const [start] = sections.postings ?? [0]
  sections.postings = [start, total * 4]
  await section('offsets', offsets.subarray(0, terms.length + 1))
  await section('terms', Buffer.from(terms.join('\n')))
}

async function writeVectors(
  state: IndexState,
  made: NewFiles,
  frozen: Frozen,
  known: ReadonlyMap<string, ManifestFile>,
): Promise<{ files: ManifestFile[]; owner: Uint32Array }> {
  if (frozen.vectors === null || state.vectors === null) return { files: [], owner: new Uint32Array(0) }
  const files: ManifestFile[] = []
  const owners: Uint32Array[] = []
  for (const part of frozen.vectors.parts) {
    const { file, owner } = await writeSegment(state.vectors, made, part, known)
    if (file === null) continue
    files.push(file)
    owners.push(owner)
  }
  const owner = new Uint32Array(owners.reduce((sum, some) => sum + some.length, 0))
  let at = 0
  for (const some of owners) {
    owner.set(some, at)
    at += some.length
  }
  return { files, owner }
}
