// An index process over a database of its own, without the rest of a server: what is measured is the index alone.
import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import type { Config } from '../../api/src/config.ts'
import type { Pool } from '../../api/src/database/pool.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../../api/src/index/engines/embedded.ts'
import type { IndexQuery } from '../../api/src/index/port.ts'
import { createCourier } from '../../api/src/index/shared/courier.ts'
import { descendants, pssBytes } from '../harness.ts'

export interface MeasuredIndex extends AsyncDisposable {
  readonly index: EmbeddedIndex
  /** Milliseconds from its start until it was ready. */
  readonly readyMs: number
  readonly tookShared: boolean
  /** Proportional set size of all its index processes: two while one is replaced. */
  memory(): { bytes: number; processes: number }
  /** Until it has written a checkpoint and stands alone, compact, after being replaced. */
  settled(): Promise<void>
}

export async function measuredIndex(config: Config, pool: Pool): Promise<MeasuredIndex> {
  const said: string[] = []
  const log = pino({ level: 'info' }, { write: (line) => void said.push(line) })
  const courier = createCourier(config, pool, log)
  const began = performance.now()
  const index = await startEmbeddedIndex(config, log, { courier })
  while (!index.status().ready) await sleep(5)
  const readyMs = performance.now() - began
  const processes = () =>
    descendants(process.pid).filter(({ command }) => command.includes('index/process.ts'))
  return {
    index,
    readyMs,
    tookShared: said.some((line) => line.includes('took a shared checkpoint')),
    memory() {
      const pids = processes()
      return { bytes: pids.reduce((sum, { pid }) => sum + pssBytes(pid), 0), processes: pids.length }
    },
    async settled() {
      for (let quiet = 0; quiet < 20; quiet++) {
        await sleep(500)
        const there = readdirSync(config.indexDir).some((name) => /^checkpoint-\d+\.json$/.test(name))
        if (!there || processes().length > 1) quiet = 0
      }
    },
    async [Symbol.asyncDispose]() {
      await index.close()
      await courier.close()
    },
  }
}

/** Milliseconds of each search, one after the other. */
export async function oneByOne(index: EmbeddedIndex, queries: readonly IndexQuery[]): Promise<number[]> {
  const ms: number[] = []
  for (const query of queries) {
    const began = performance.now()
    await index.search(query)
    ms.push(performance.now() - began)
  }
  return ms
}

/** Milliseconds of each, so many at once; they become batches of about that size. */
export async function atOnce(
  index: EmbeddedIndex,
  queries: readonly IndexQuery[],
  size: number,
): Promise<{ ms: number[]; perSecond: number }> {
  const waiting = [...queries]
  const ms: number[] = []
  const began = performance.now()
  const one = async () => {
    for (let query = waiting.pop(); query !== undefined; query = waiting.pop()) {
      const asked = performance.now()
      await index.search(query)
      ms.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: size }, one))
  return { ms, perSecond: queries.length / ((performance.now() - began) / 1000) }
}

export interface CheckpointSize {
  readonly files: readonly string[]
  readonly bytes: number
  readonly vectorBytes: number
  readonly postingBytes: number
}

/** Of the newest checkpoint in the folder. */
export function checkpointSize(dir: string): CheckpointSize {
  const newest = readdirSync(dir)
    .filter((name) => /^checkpoint-\d+\.json$/.test(name))
    .sort()
    .at(-1)
  if (newest === undefined) throw new Error('no checkpoint was written')
  const manifest = JSON.parse(readFileSync(path.join(dir, newest), 'utf8').slice(65)) as {
    state: { name: string }
    segments: { name: string }[]
    sections: Record<string, [number, number]>
  }
  const segments = manifest.segments.map(({ name }) => path.join(dir, name))
  const size = (file: string) => statSync(file).size
  const state = path.join(dir, manifest.state.name)
  const vectorBytes = segments.reduce((sum, file) => sum + size(file), 0)
  const postingBytes = (manifest.sections.postings?.[1] ?? 0) + (manifest.sections.offsets?.[1] ?? 0)
  return { files: [state, ...segments], bytes: vectorBytes + size(state), vectorBytes, postingBytes }
}

/** Milliseconds to hash files once, one after the other. */
export async function hashOnce(files: readonly string[]): Promise<number> {
  const began = performance.now()
  for (const file of files) {
    const hash = createHash('sha256')
    for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part)
    hash.digest()
  }
  return performance.now() - began
}
