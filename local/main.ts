// `npm start`, second half (start.mjs is the first): set-up, PostgreSQL, API, ingest, web; then it watches over them.
// Stops in order on Ctrl-C or SIGTERM, at once on a second one, and when start.mjs, its parent, is gone.
import { explain } from './problem.ts'
import { startTerrace, type Terrace } from './run.ts'

let running: Terrace | undefined
let stoppingSince = 0
const startup = new AbortController()

async function stop(reason: string): Promise<void> {
  const now = Date.now()
  if (stoppingSince > 0) {
    // One Ctrl-C comes to us twice: from the terminal, and passed on by npm and start.mjs.
    if (now - stoppingSince < 1_000) return
    console.log('Stopping at once.')
    running?.kill()
    process.exit(1)
  }
  stoppingSince = now
  console.log(`\n${reason}: stopping (again: at once) …`)
  startup.abort()
  if (!running) return
  await running.stop()
  console.log('Stopped. Nothing is running any more.')
  process.exit(0)
}

process.on('SIGINT', () => void stop('Ctrl-C'))
process.on('SIGTERM', () => void stop('SIGTERM'))
process.on('SIGHUP', () => void stop('The terminal has closed'))
process.on('disconnect', () => void stop('The parent process is gone'))
// A terminal or a pipe that is gone must not take the product down before it has stopped in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

try {
  running = await startTerrace(process.env, startup.signal)
} catch (error) {
  if (startup.signal.aborted) {
    console.log('Stopped. Nothing is running any more.')
    process.exit(1)
  }
  console.error(`\n${explain(error)}`)
  process.exit(1)
}
