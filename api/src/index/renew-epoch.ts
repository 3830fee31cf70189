// `npm run db:epoch`: a step of the runbooks "restore" and "promote". Names a new epoch of the index's log, so that
// servers compare what they remember with this database's history instead of trusting its numbers.
import { loadDatabaseConfig } from '../config.ts'
import { createPool } from '../database/pool.ts'
import { renewEpoch } from './epoch.ts'

try {
  const pool = createPool(loadDatabaseConfig(), { name: 'terrace-epoch', max: 1 })
  try {
    process.stdout.write(`The index's log is in epoch ${await renewEpoch(pool)} now.\n`)
  } finally {
    await pool.end()
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'unknown cause'}\n`)
  process.exitCode = 1
}
