// The API process. Starts: configuration → database → index → jobs → models → http; stops in reverse.
// It stops on SIGTERM and SIGINT, and, under a supervisor (TERRACE_SUPERVISED=1), when its stdin ends: a parent that
// was killed leaves no orphan. Whatever happens it is gone within the 60 s of DESIGN §10.
import { SECONDS } from '../../contract/ports.ts'
import { type Config, loadConfig } from './config.ts'
import { createServer } from './http/server.ts'
import { listenWhileStarting } from './http/starting.ts'
import { createLog } from './log.ts'
import { startServices } from './services.ts'

/** Seconds that requests under way get before their connections are closed. */
const GRACE_SECONDS = 10

const config = readEnvironment()
const log = createLog(config, 'api')
const stop = new AbortController()

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
if (config.supervised)
  process.stdin
    .on('end', () => stop.abort())
    .on('error', () => stop.abort())
    .resume()
// A rejection nobody handled is a bug of one request: it is logged, the others go on.
process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
process.on('uncaughtException', (err) => {
  log.fatal({ err }, 'uncaught exception')
  process.exit(1)
})
const deadline = () => {
  setTimeout(
    () => {
      log.error('not everything stopped in time')
      process.exit(1)
    },
    (SECONDS.stop - 5) * 1000,
  ).unref()
}
stop.signal.addEventListener('abort', deadline, { once: true })

try {
  const starting = await listenWhileStarting(config)
  await using running = await startServices(config, log, { signal: stop.signal, onWait: starting.waitFor })
  const server = await createServer(running.services)
  await starting.close()
  const address = await server.fastify.listen({ host: config.host, port: starting.port })
  log.info({ address, index: running.services.index.status().engine }, 'ready')
  running.services.metrics.start()
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve()
    stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info('stopping')
  await server.close(GRACE_SECONDS * 1000)
} catch (err) {
  if (!stop.signal.aborted) {
    // Whole, unlike other errors: it is about the configuration, and names what is wrong in several lines.
    log.fatal({ err, reason: err instanceof Error ? err.message : undefined }, 'could not start')
    process.exitCode = 1
  }
}
log.info('stopped')
// What still holds the event loop (a socket of a library) must not keep the process.
process.exit()

/** What is wrong with the environment is said in words, on stderr, before there is a log. */
function readEnvironment(): Config {
  try {
    return loadConfig()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'The environment could not be read'}\n`)
    process.exit(1)
  }
}
