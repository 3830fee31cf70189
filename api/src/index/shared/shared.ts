// Checkpoints that servers share through the blob store: one server builds, a new one begins with what was built.
//   index/manifests/SEQ-TERM.json   what a checkpoint consists of; written last, once, authenticated by HMAC-SHA256
//   index/tTERM/NAME                its files
// A term is one server's time as builder (term.ts). A builder names only files that it stored in its own term, and
// removes nothing of a later one: so a builder that was paused and comes back late can spoil nobody's checkpoint.
//
// The room: publish.ts puts there, fetch.ts gets from there, both in a process of their own (process.ts, courier.ts),
// because a gigabyte that is read, hashed and sent should hold up no question.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { AppError } from '../../errors.ts'
import { type BlobStore, StorageRefuses } from '../../storage/port.ts'
import { type ManifestFile, manifestSchema } from '../checkpoint/checkpoint.ts'

const FORMAT = 1
const MANIFESTS = 'index/manifests/'
/** A thousand segments are 150 kB. */
const MOST_BYTES = 4 * 1024 * 1024

/** What is asked of a blob store. */
export type CheckpointStore = Pick<BlobStore, 'put' | 'get' | 'delete' | 'list' | 'check'>

const schema = z.object({
  format: z.literal(FORMAT),
  term: z.number().int().min(1),
  builtAt: z.string(),
  checkpoint: manifestSchema,
})

export type SharedManifest = z.infer<typeof schema>

export interface ManifestName {
  readonly key: string
  readonly seq: number
  readonly term: number
}

const NAME = /^index\/manifests\/(\d{16})-(\d{10})\.json$/

export function manifestKey({ seq, term }: { seq: number; term: number }): string {
  return `${MANIFESTS}${String(seq).padStart(16, '0')}-${String(term).padStart(10, '0')}.json`
}

/** Newest first: by position, then by term. */
export async function listManifests(store: CheckpointStore): Promise<ManifestName[]> {
  const found: ManifestName[] = []
  for await (const { key } of store.list(MANIFESTS)) {
    const [, seq, term] = NAME.exec(key) ?? []
    if (seq !== undefined && term !== undefined) found.push({ key, seq: Number(seq), term: Number(term) })
  }
  return found.sort((a, b) => b.seq - a.seq || b.term - a.term)
}

export const FILES = 'index/t'
const FILE = /^index\/t(\d{10})\/([a-z0-9.-]+)$/

export function fileKey(term: number, { name }: Pick<ManifestFile, 'name'>): string {
  return `${FILES}${String(term).padStart(10, '0')}/${name}`
}

/** Null for what is no checkpoint's file. */
export function termOfFile(key: string): number | null {
  const [, term] = FILE.exec(key) ?? []
  return term === undefined ? null : Number(term)
}

/** The bytes of a manifest: its authentication code, then itself. */
export function sealManifest(manifest: Omit<SharedManifest, 'format'>, macKey: Buffer): Buffer {
  const body = JSON.stringify({ format: FORMAT, ...manifest })
  return Buffer.from(`${mac(body, macKey)}\n${body}`)
}

/** What was read is not what should be there. Not thrown for what could not be read. */
export class Unusable extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'Unusable'
  }
}

/** @throws Unusable when it is none of ours, or not what was written under this name; what the store says otherwise */
export async function openManifest(
  store: CheckpointStore,
  name: ManifestName,
  macKey: Buffer,
): Promise<SharedManifest> {
  const text = await buffer(await read(store, name.key, { start: 0, end: MOST_BYTES - 1 }))
  const given = text.subarray(0, 64)
  const body = text.subarray(65)
  const right = Buffer.from(mac(body, macKey))
  if (given.length !== right.length || !timingSafeEqual(given, right))
    throw new Unusable(`${name.key} is damaged, or was made with another AUTH_SECRET`)
  const parsed = schema.safeParse(JSON.parse(body.toString('utf8')))
  if (!parsed.success) throw new Unusable(`${name.key} is of another build`, { cause: parsed.error })
  const { term, checkpoint } = parsed.data
  // Whoever may write to the bucket but has no key could give an old manifest a new name.
  if (term !== name.term || checkpoint.position.seq !== name.seq)
    throw new Unusable(`${name.key} stands under a name that is not its own`)
  return parsed.data
}

/** @throws Unusable when it is gone, or a store that answers gives everything but this */
export async function read(
  store: CheckpointStore,
  key: string,
  range?: { start: number; end: number },
): Promise<Readable> {
  try {
    return await store.get(key, range)
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') throw new Unusable(`${key} is gone`)
    if (!(error instanceof StorageRefuses)) throw error
    await store.check()
    throw new Unusable(`${key} is there but can not be read`, { cause: error })
  }
}

function mac(body: string | Buffer, key: Buffer): string {
  return createHmac('sha256', key).update(body).digest('hex')
}

export function isConflict(error: unknown): boolean {
  return error instanceof AppError && error.code === 'CONFLICT'
}
