// The embedder's weights on disk: present, complete, and byte for byte what contract/weights.ts pins. Native code
// reads them, so other bytes are refused. Hashing 34 MB takes a tenth of a second: it is done once for each
// (size, time of change), remembered in a small stamp beside the files.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { EMBEDDER_WEIGHTS, type Weights, type WeightsFile } from '../../../contract/weights.ts'

export interface FoundWeights {
  /** Absolute paths. */
  readonly model: string
  readonly tokenizer: string
  /** Of the model file. */
  readonly sha256: string
}

export type WeightsState =
  | { readonly state: 'found'; readonly weights: FoundWeights }
  | { readonly state: 'missing'; readonly file: string }
  | { readonly state: 'wrong'; readonly file: string }

const STAMP = '.verified.json'
const stampFile = z.record(
  z.string(),
  z.object({ bytes: z.number(), changed: z.number(), sha256: z.string() }),
)
type Stamp = z.infer<typeof stampFile>

/** Looks into `MODEL_DIR/<folder>`. Never throws for files that are missing or wrong: the state says so. */
export async function findWeights(
  modelDir: string,
  expected: Weights = EMBEDDER_WEIGHTS,
): Promise<WeightsState> {
  const folder = path.join(modelDir, expected.folder)
  const known = await readStamp(folder)
  const next: Stamp = {}
  for (const file of [expected.files.model, expected.files.tokenizer]) {
    const found = await verify(path.join(folder, file.name), file, known[file.name])
    if (typeof found === 'string') return { state: found, file: path.join(folder, file.name) }
    next[file.name] = found
  }
  if (JSON.stringify(next) !== JSON.stringify(known)) await writeStamp(folder, next)
  return {
    state: 'found',
    weights: {
      model: path.join(folder, expected.files.model.name),
      tokenizer: path.join(folder, expected.files.tokenizer.name),
      sha256: expected.files.model.sha256,
    },
  }
}

async function verify(
  file: string,
  expected: WeightsFile,
  known: Stamp[string] | undefined,
): Promise<Stamp[string] | 'missing' | 'wrong'> {
  const info = await stat(file).catch(() => null)
  if (info === null) return 'missing'
  if (info.size !== expected.bytes) return 'wrong'
  const fresh = known?.bytes === info.size && known.changed === info.mtimeMs
  const sha256 = fresh ? known.sha256 : await hash(file)
  if (sha256 !== expected.sha256) return 'wrong'
  return { bytes: info.size, changed: info.mtimeMs, sha256 }
}

async function hash(file: string): Promise<string> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(file)) sum.update(chunk)
  return sum.digest('hex')
}

async function readStamp(folder: string): Promise<Stamp> {
  try {
    return stampFile.parse(JSON.parse(await readFile(path.join(folder, STAMP), 'utf8')))
  } catch {
    return {}
  }
}

/** A folder that may only be read (a golden image) goes without a stamp: it is hashed at each start. */
async function writeStamp(folder: string, stamp: Stamp): Promise<void> {
  const temporary = path.join(folder, `${STAMP}.${process.pid}`)
  try {
    await writeFile(temporary, JSON.stringify(stamp))
    await rename(temporary, path.join(folder, STAMP))
  } catch {
    // see above
  }
}
