// The index process, forked by engines/embedded.ts: vectors and postings live here, so that no search blocks the
// API's event loop and what native code does to a process it does to this one. Dies with its parent.
import type { Logger } from 'pino'
import { createLog } from '../log.ts'
import { type FromIndex, packCandidates, type ToIndex } from './messages.ts'
import { IndexService } from './service.ts'
import { loadEngine } from './vectors/engine.ts'

const options = new Set(process.argv.slice(2))
let running: { service: IndexService; log: Logger } | undefined
let stopping = false
let onFetched: (files: readonly string[]) => void = () => {}

function send(message: FromIndex): void {
  // A parent that is gone takes this process with it; nothing is owed to it.
  if (process.connected) process.send?.(message, undefined, {}, () => {})
}

function start({ config, verified }: Extract<ToIndex, { type: 'start' }>): void {
  const log = createLog(config, 'index')
  const engine = loadEngine({ faiss: !options.has('--exact') })
  const service = new IndexService({
    config,
    log,
    engine,
    ignoreCheckpoints: options.has('--rebuild'),
    verified: new Set(verified),
    report: (report) => send({ type: 'report', ...report }),
    session: (userId) => send({ type: 'session', userId }),
    worn: (why) => send({ type: 'worn', why }),
    written: () => send({ type: 'checkpoint' }),
    fetch: () =>
      new Promise((resolve) => {
        onFetched = resolve
        send({ type: 'fetch' })
      }),
  })
  running = { service, log }
  send({ type: 'hello', engine: engine.name })
  service.start()
}

async function search({ batch, queries }: Extract<ToIndex, { type: 'search' }>): Promise<void> {
  try {
    // Only where a question brings passages of its own: any other is answered in this very turn.
    if (queries.some(({ extra }) => extra !== undefined)) await running?.service.prepare(queries)
    const found = running?.service.search(queries) ?? null
    if (found === null) send({ type: 'not-ready', batch })
    else
      send({ type: 'answers', batch, position: found.position, answers: found.answers.map(packCandidates) })
  } catch (err) {
    running?.log.error({ err, queries: queries.length }, 'a search failed')
    send({ type: 'failed', batch, reason: err instanceof Error ? err.name : 'error' })
  }
}

async function stop(checkpoint: boolean): Promise<void> {
  if (stopping) return
  stopping = true
  try {
    await running?.service.close(checkpoint)
  } catch (err) {
    running?.log.error({ err }, 'the index did not stop cleanly')
  }
  process.exit(0)
}

process.on('message', (message: ToIndex) => {
  if (message.type === 'start') start(message)
  else if (message.type === 'search') search(message)
  else if (message.type === 'serve') running?.service.serve()
  else if (message.type === 'wake') running?.service.wake()
  else if (message.type === 'fetched') onFetched(message.verified)
  else stop(message.checkpoint)
})
process.on('disconnect', () => process.exit(0))
// The parent decides: on Ctrl-C a terminal signals the whole group, and the parent stops this process in order.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.on('unhandledRejection', (err) => {
  running?.log.fatal({ err }, 'unhandled rejection in the index process')
  process.exit(1)
})
