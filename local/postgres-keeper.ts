// Holds PostgreSQL for `npm start` and outlives it for a moment: when the parent is killed, the servers still hand
// back their work and close their connections, and only then PostgreSQL is stopped. Nothing is left running.
// Told by the environment. Its stdin ends with the parent; SIGTERM: stop now (fast shutdown).
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startPostgres } from './postgres.ts'

const dataDir = process.env.KEEPER_DATA ?? ''
const password = process.env.KEEPER_PASSWORD ?? ''
const port = Number(process.env.KEEPER_PORT)

/** How long the servers may keep their connections once the parent is gone, in milliseconds. */
const GRACE = 60_000

// A terminal's Ctrl-C is the parent's business, as is the order of stopping.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})

let orphaned = false
process.stdin.on('end', () => {
  orphaned = true
})
process.stdin.on('error', () => {
  orphaned = true
})
process.stdin.resume()
let stopNow = false
process.on('SIGTERM', () => {
  stopNow = true
})

const postgres = await startPostgres({
  dataDir,
  port,
  password,
  onLog: say,
})
postgres.process.once('exit', (code, signal) => {
  if (!stopNow && !orphaned) say(`PostgreSQL ended by itself (${signal ?? code})`)
  process.exit(stopNow || orphaned ? 0 : 1)
})

// Polled: a client of our own for counting must not be what keeps PostgreSQL busy.
while (!stopNow && !orphaned) await sleep(50)
if (orphaned && !stopNow) await othersGone()
await postgres.stop()
process.exit(0)

/** Into our log file; on a full disk, of which PostgreSQL has much to say, the line is lost and we stay. */
function say(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // lost
  }
}

async function othersGone(): Promise<void> {
  const deadline = Date.now() + GRACE
  const client = new pg.Client({ connectionString: postgres.url('postgres'), connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    // A moment first: servers that were about to connect get to do it.
    for (let quiet = 0; quiet < 3 && Date.now() < deadline && !stopNow; ) {
      const { rows } = await client.query<{ others: string }>(
        "SELECT count(*) AS others FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      )
      quiet = Number(rows[0]?.others) === 0 ? quiet + 1 : 0
      await sleep(200)
    }
  } catch {
    // It does not answer any more: then there is nobody to wait for.
  } finally {
    await client.end().catch(() => {})
  }
}
