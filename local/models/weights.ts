// The embedder's weights on this machine: where they may lie, and whether what lies there is what is pinned.
// Every place has the layout of MODEL_DIR: <folder>/model.onnx and <folder>/tokenizer.json.
import { createHash } from 'node:crypto'
import { copyFileSync, createReadStream, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { EMBEDDER_WEIGHTS, type WeightsFile } from '../../contract/weights.ts'

export const FILES: readonly WeightsFile[] = Object.values(EMBEDDER_WEIGHTS.files)

/** One per user, so that a second clone or a second data folder fetches nothing. Null when there is no home. */
export function userCache(env: NodeJS.ProcessEnv = process.env): string | null {
  if (env.XDG_CACHE_HOME) return path.join(env.XDG_CACHE_HOME, 'terrace/models')
  const home = env.HOME || homedir()
  return home && home !== '/' ? path.join(home, '.cache/terrace/models') : null
}

export function placeOf(modelDir: string, file: WeightsFile): string {
  return path.join(modelDir, EMBEDDER_WEIGHTS.folder, file.name)
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

export type WeightsState = 'complete' | 'missing' | 'different'

export async function inspect(modelDir: string): Promise<WeightsState> {
  for (const file of FILES) {
    const place = placeOf(modelDir, file)
    try {
      if (statSync(place).size !== file.bytes) return 'different'
      if ((await sha256(place)) !== file.sha256) return 'different'
    } catch {
      return 'missing'
    }
  }
  return 'complete'
}

/** Puts a checked file in its place, whole or not at all; by a hard link where that is possible. */
export function place(from: string, modelDir: string, file: WeightsFile): void {
  const to = placeOf(modelDir, file)
  const beside = `${to}.${process.pid}`
  mkdirSync(path.dirname(to), { recursive: true })
  rmSync(beside, { force: true })
  try {
    linkSync(from, beside)
  } catch {
    copyFileSync(from, beside)
  }
  renameSync(beside, to)
}
