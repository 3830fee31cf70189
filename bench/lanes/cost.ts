// What a job's turn costs the transaction that sends it, by how many jobs wait in the lane: the jobs of one import are
// put there by one statement, then files of their person and of another are sent one by one. Not analyzed on purpose:
// a queue fills faster than statistics do.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { parseConfig } from '../../api/src/config.ts'
import { migrate } from '../../api/src/database/migrate.ts'
import { createPool, type Pool, transaction } from '../../api/src/database/pool.ts'
import { sendIngest, sendJob, startJobs } from '../../api/src/jobs/jobs.ts'
import { LANES } from '../../api/src/jobs/queues.ts'
import { freePort, startPostgres } from '../../local/postgres.ts'
import { spread } from '../harness.ts'

export interface TurnCost {
  readonly waiting: number
  /** Milliseconds of one transaction that sends a job with a turn, and of one that sends it without. */
  readonly withTurn: ReturnType<typeof spread>
  readonly without: ReturnType<typeof spread>
  /** Milliseconds until a worker has the next job. */
  readonly fetch: ReturnType<typeof spread>
}

const SENT = 200

export async function measureTurns(waiting: readonly number[]): Promise<TurnCost[]> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-turns-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), port, password: 'bench' })
  stack.defer(() => postgres.stop())
  const url = postgres.url('postgres')
  await migrate({ connectionString: url })
  const config = parseConfig({ DATABASE_URL: url, STORAGE: 'file:/x', AUTH_SECRET: 'x'.repeat(40) })
  const pool = createPool(config, { name: 'bench' })
  stack.defer(() => pool.end())
  const jobs = await startJobs(config, pool, pino({ enabled: false }), { supervise: false })
  stack.defer(() => jobs.stop({ graceful: false }))
  const ann = await insertVersions(pool, 'ann', 3 * SENT)
  const bob = await insertVersions(pool, 'bob', 3 * SENT)
  const costs: TurnCost[] = []
  for (const count of waiting) {
    await pool.query('TRUNCATE pgboss.job_common')
    await pool.query(
      `INSERT INTO pgboss.job (name, priority, data, policy, group_id, group_tier)
       SELECT 'ingest', $2 - i, jsonb_build_object('versionId', gen_random_uuid()), 'standard', 'small import ann', 'import'
       FROM generate_series(1, $1) AS i`,
      [count, LANES.small.first],
    )
    const withTurn: number[] = []
    const without: number[] = []
    const fetch: number[] = []
    const time = async (to: number[], work: () => Promise<unknown>) => {
      const began = performance.now()
      await work()
      to.push(performance.now() - began)
    }
    for (let i = -20; i < SENT; i++) {
      const id = (i % 2 === 0 ? ann : bob)[Math.abs(i)] ?? ''
      const into = (to: number[]) => (i < 0 ? [] : to)
      await time(into(withTurn), () =>
        transaction(pool, (client) => sendIngest(jobs, client, { id, bytes: 1 }, 'import')),
      )
      await time(into(without), () =>
        transaction(pool, (client) => sendJob(jobs, client, 'embed', { versionId: id })),
      )
      await time(into(fetch), async () => {
        const [job] = await jobs.fetch('ingest', {
          minPriority: LANES.small.last,
          maxPriority: LANES.small.first,
        })
        if (job !== undefined && i % 2 === 0) await jobs.complete('ingest', job.id)
      })
    }
    costs.push({
      waiting: count,
      withTurn: spread(withTurn),
      without: spread(without),
      fetch: spread(fetch),
    })
  }
  return costs
}

async function insertVersions(pool: Pool, person: string, count: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH c AS (INSERT INTO collections (name) VALUES ('bench') RETURNING id),
       d AS (INSERT INTO documents (collection_id, name) SELECT c.id, 'file ' || i FROM c, generate_series(1, $2) i
             RETURNING id)
     INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, created_by)
     SELECT id, 1, 'file', 'text/plain', 1, '', '', $1 FROM d RETURNING id`,
    [person, count],
  )
  return rows.map(({ id }) => id)
}
