// Checkpoints on the local disk: what makes a start take a second instead of a rebuild. Never the truth: one that is
// damaged in any way is passed over for the one before it, and that for a rebuild from the tables.
// A manifest names its files with sizes and SHA-256 and carries its own; it is written last, renamed into place, and
// everything it names is on disk before. Two are kept.
import { createHash } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { sweepMaking } from '../making.ts'

const FORMAT = 1
const KEPT = 2
/** Files that no manifest names may be another process's work under way. */
const STRAY_MS = 10 * 60_000

const fileSchema = z.object({
  name: z.string().regex(/^[a-z0-9-]+\.[a-z]+$/),
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

export const manifestSchema = z.object({
  format: z.literal(FORMAT),
  position: z.object({
    epoch: z.string(),
    seq: z.number().int().min(0),
    entryId: z.string().nullable(),
    seen: z.object({ seq: z.int().min(0), id: z.string() }).optional(),
  }),
  generation: z.object({ id: z.number().int(), dimensions: z.number().int().min(1) }).nullable(),
  state: fileSchema,
  /** Parts of the state file: offset and length in bytes. */
  sections: z.record(z.string(), z.tuple([z.number().int().min(0), z.number().int().min(0)])),
  segments: z.array(fileSchema),
})

export type Manifest = z.infer<typeof manifestSchema>
export type ManifestFile = z.infer<typeof fileSchema>

const NAME = /^checkpoint-(\d{10})\.json$/

/** Numbers of the manifests in the folder, newest first. */
export async function manifestNumbers(dir: string): Promise<number[]> {
  return (await readdir(dir))
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a)
}

/** @throws Error when it is not what was written */
export async function readManifest(dir: string, number: number): Promise<Manifest> {
  const text = await readFile(manifestPath(dir, number), 'utf8')
  const sum = text.slice(0, 64)
  const body = text.slice(65)
  if (createHash('sha256').update(body).digest('hex') !== sum)
    throw new Error(`manifest ${number} is damaged`)
  const parsed: unknown = JSON.parse(body)
  return manifestSchema.parse(parsed)
}

/** Writes the next manifest. Everything it names has to be synced before. */
export async function writeManifest(dir: string, manifest: Manifest): Promise<number> {
  const number = ((await manifestNumbers(dir))[0] ?? 0) + 1
  const body = JSON.stringify(manifest)
  const target = manifestPath(dir, number)
  const handle = await open(`${target}.tmp`, 'w', 0o600)
  try {
    await handle.writeFile(`${createHash('sha256').update(body).digest('hex')}\n${body}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${target}.tmp`, target)
  await syncFolder(dir)
  return number
}

/** A name is on disk only once its folder is. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Removes manifests but the newest two, what only they named, after a while what no manifest names, and at once what a
 * process was making that has ended. `inUse` are names that this process still reads.
 */
export async function clean(dir: string, inUse: ReadonlySet<string>): Promise<void> {
  await sweepMaking(dir)
  const numbers = await manifestNumbers(dir)
  const keep = new Set(inUse)
  const remove = new Set<string>()
  for (const [i, number] of numbers.entries()) {
    const names = [path.basename(manifestPath(dir, number)), ...(await namesIn(dir, number))]
    for (const name of names) (i < KEPT ? keep : remove).add(name)
  }
  for (const name of await readdir(dir)) {
    if (keep.has(name) || !/^(checkpoint|state|vectors)-/.test(name)) continue
    const file = path.join(dir, name)
    // Another process may be clearing up too.
    const modified = (await stat(file).catch(() => null))?.mtimeMs ?? 0
    if (remove.has(name) || Date.now() - modified > STRAY_MS) await rm(file, { force: true })
  }
}

/** All of them, of an index that no process here has any more. */
export async function removeCheckpoints(dir: string): Promise<void> {
  await sweepMaking(dir)
  for (const name of await readdir(dir))
    if (/^(checkpoint|state|vectors)-/.test(name)) await rm(path.join(dir, name), { force: true })
}

/** Whether this machine's disk, or what we may use of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

/** Nothing for a damaged one: what it named can't be used any more. */
async function namesIn(dir: string, number: number): Promise<string[]> {
  try {
    const { state, segments } = await readManifest(dir, number)
    return [state, ...segments].map(({ name }) => name)
  } catch {
    return []
  }
}

function manifestPath(dir: string, number: number): string {
  return path.join(dir, `checkpoint-${String(number).padStart(10, '0')}.json`)
}
