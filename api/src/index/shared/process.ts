// The courier: a process for one errand, at low priority. Dies with its parent, in the middle of whatever it does.
import os from 'node:os'
import { createPool } from '../../database/pool.ts'
import { createLog } from '../../log.ts'
import { openBlobStore } from '../../storage/open.ts'
import { fetchCheckpoint } from './fetch.ts'
import type { Outcome, Progress, Task } from './messages.ts'
import { publishCheckpoint } from './publish.ts'

const NICENESS = 10
const PROGRESS_BYTES = 256 * 1024
/** The longest statement cuts 10,000 entries off the log. What fails is done again by the next errand. */
const STATEMENT_MS = 60_000

async function run({ config, macKey, errand }: Task, signal: AbortSignal): Promise<Outcome> {
  const log = createLog(config, 'courier')
  const pool = createPool(config, { name: 'terrace-courier', max: 2, statementMs: STATEMENT_MS })
  try {
    const store = await openBlobStore(config)
    const deps = { pool, store, macKey: Buffer.from(macKey), dir: config.indexDir, log, signal }
    if (errand.kind === 'fetch') {
      const fetched = await fetchCheckpoint({ ...deps, received: progress() }, errand)
      return { kind: 'fetched', fetched }
    }
    // Nobody waits for it. A fetch is what a whole server waits for.
    os.setPriority(NICENESS)
    return { kind: 'published', published: await publishCheckpoint({ ...deps, owner: errand.owner }) }
  } catch (err) {
    log.warn({ err, errand: errand.kind }, 'an errand with a shared checkpoint failed')
    return { kind: 'failed', reason: err instanceof Error ? err.name : 'error' }
  } finally {
    await pool.end()
  }
}

/** Told of every piece, it says so every 256 kB. */
function progress(): (bytes: number) => void {
  let [bytes, said] = [0, 0]
  return (more) => {
    bytes += more
    if (bytes - said < PROGRESS_BYTES) return
    said = bytes
    const message: Progress = { kind: 'progress', bytes }
    process.send?.(message, undefined, {}, () => {})
  }
}

const stop = new AbortController()
process.on('disconnect', () => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.on('message', (message: Task | 'stop') => {
  if (message === 'stop') return stop.abort(new Error('the server is stopping'))
  void run(message, stop.signal).then((outcome) =>
    process.send?.(outcome, undefined, {}, () => process.exit(0)),
  )
})
