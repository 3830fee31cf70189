// News of the library and of chats, from PostgreSQL's channel to everybody who is connected to this server and
// may see them. One LISTEN connection a server; a document's changes are merged to at most four a second; rights
// are asked for every batch, one query for all. News only say that something is different now: after a gap (the
// connection broke, a reader fell behind) subscribers are told to fetch again, so nothing is lost by losing one.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from 'pino'
import { audienceOf } from '../access/audience.ts'
import type { Viewer } from '../access/port.ts'
import type { Config } from '../config.ts'
import { goodbye, lossOf } from '../database/loss.ts'
import { BRIEF_MS, createListener, type Pool, within } from '../database/pool.ts'
import { documentItems } from './items.ts'
import { EVENTS_CHANNEL, type Notice, noticeSchema } from './notices.ts'
import { type LibraryEvent, Subscriber } from './subscriber.ts'

export { notifyChat, notifyDocument } from './notices.ts'
export type { LibraryEvent } from './subscriber.ts'

export interface Events {
  /** Begins with `{ type: 'collections' }`: what changed before the subscription is for the reader to fetch. */
  watch(viewer: Viewer, signal?: AbortSignal): AsyncGenerator<LibraryEvent>
  /** Ends every subscription. */
  stop(): Promise<void>
}

/** Between two updates about one document: four a second. */
const MERGE_MS = 250
/** Things that may wait for one reader. */
const WAITING = 500
const BACK_OFF_MS = { first: 100, most: 10_000 }

/** @throws when the database can not be reached now; later losses are repaired */
export async function createEvents(
  config: Config,
  pool: Pool,
  log: Logger,
  options: { mergeMs?: number; waiting?: number } = {},
): Promise<Events> {
  const subscribers = new Set<Subscriber>()
  const merged = createMerger(options.mergeMs ?? MERGE_MS, (changes) =>
    deliver(pool, log, subscribers, changes),
  )
  const listening = await listen(config, log, {
    onNotice(notice) {
      if (notice.type === 'document') {
        if (subscribers.size > 0) merged.add(notice.documentId, notice.collectionId)
        return
      }
      const people = notice.type === 'chat' ? [notice.userId] : notice.userIds
      const event: LibraryEvent =
        notice.type === 'chat' ? { type: 'chat', chatId: notice.chatId } : { type: 'collections' }
      void tell(pool, log, subscribers, new Set(people), event)
    },
    onGap: () => refetch(subscribers),
  })
  return {
    async *watch(viewer, signal) {
      const subscriber = new Subscriber(viewer, options.waiting ?? WAITING)
      subscribers.add(subscriber)
      try {
        subscriber.push({ type: 'collections' })
        yield* subscriber.read(signal)
      } finally {
        subscribers.delete(subscriber)
      }
    },
    async stop() {
      merged.stop()
      for (const subscriber of subscribers) subscriber.close()
      await listening.stop()
    },
  }
}

function refetch(subscribers: Iterable<Subscriber>): void {
  for (const subscriber of subscribers) subscriber.push({ type: 'collections' })
}

/** Tells people what needs no right but being signed in; those whose session has ended are closed. */
async function tell(
  pool: Pool,
  log: Logger,
  subscribers: ReadonlySet<Subscriber>,
  people: ReadonlySet<string>,
  event: LibraryEvent,
): Promise<void> {
  const told = [...subscribers].filter((subscriber) => people.has(subscriber.viewer.userId))
  if (told.length === 0) return
  try {
    const sessions = await audienceOf(
      pool,
      told.map((subscriber) => subscriber.viewer.sessionId),
      [],
    )
    for (const subscriber of told)
      if (sessions.has(subscriber.viewer.sessionId)) subscriber.push(event)
      else subscriber.close()
  } catch (error) {
    log.warn({ err: error }, 'events could not be delivered; readers fetch again')
    refetch(told)
  }
}

/** documentId → collectionId */
type Changes = ReadonlyMap<string, string>

/** Tells each subscriber what it may see of the changes; those whose session has ended are closed. */
async function deliver(
  pool: Pool,
  log: Logger,
  subscribers: Set<Subscriber>,
  changes: Changes,
): Promise<void> {
  if (subscribers.size === 0) return
  try {
    const sessionIds = [...subscribers].map((subscriber) => subscriber.viewer.sessionId)
    // The items are read before the rights: a right that ends between the two ends the news too.
    const items = await documentItems(pool, {
      where: 'd.id = ANY($1::uuid[])',
      values: [[...changes.keys()]],
      roleOf: () => 'viewer',
    })
    const audience = await audienceOf(pool, sessionIds, [...new Set(changes.values())])
    const byId = new Map(items.map((item) => [item.id, item]))
    for (const subscriber of subscribers) {
      const roles = audience.get(subscriber.viewer.sessionId)
      // Who came while the questions were asked fetches for itself.
      if (roles === undefined) {
        if (sessionIds.includes(subscriber.viewer.sessionId)) subscriber.close()
        continue
      }
      for (const [documentId, collectionId] of changes) {
        const role = roles.get(collectionId)
        if (role === undefined) continue
        const item = byId.get(documentId)
        // A version can move from one document to another, a document never from its collection.
        subscriber.push({
          type: 'document',
          collectionId,
          documentId,
          item: item === undefined ? null : { ...item, role },
        })
      }
    }
  } catch (error) {
    log.warn({ err: error, documents: changes.size }, 'events could not be delivered; readers fetch again')
    refetch(subscribers)
  }
}

/** Merges changes of one document to one each `mergeMs`, the first at once, and hands them on in batches. */
function createMerger(mergeMs: number, deliverBatch: (changes: Changes) => Promise<void>) {
  const waiting = new Map<string, string>()
  /** When a document was last told of, for those that were within `mergeMs`. */
  const told = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let running = false
  let stopped = false

  async function run(): Promise<void> {
    if (running || stopped) return
    running = true
    try {
      for (;;) {
        const now = performance.now()
        for (const [id, at] of told) if (now - at >= mergeMs) told.delete(id)
        const due = new Map([...waiting].filter(([id]) => !told.has(id)))
        if (due.size === 0 || stopped) break
        for (const id of due.keys()) {
          waiting.delete(id)
          told.set(id, now)
        }
        await deliverBatch(due)
      }
    } finally {
      running = false
    }
    clearTimeout(timer)
    const now = performance.now()
    const next = Math.min(...[...waiting.keys()].map((id) => (told.get(id) ?? 0) + mergeMs))
    if (next !== Number.POSITIVE_INFINITY && !stopped) timer = setTimeout(run, Math.max(1, next - now))
  }

  return {
    add(documentId: string, collectionId: string): void {
      waiting.set(documentId, collectionId)
      // Notices of one transaction arrive in one piece: look once at all of them.
      if (!running) setImmediate(run)
    },
    stop(): void {
      stopped = true
      clearTimeout(timer)
    },
  }
}

interface Hearing {
  onNotice(notice: Notice): void
  /** Called after the connection was lost and is there again. */
  onGap(): void
}

async function listen(config: Config, log: Logger, hearing: Hearing): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController()

  /** @returns with a promise that resolves when the connection is lost, or not wanted any more */
  async function connect(): Promise<{ client: pg.Client; lost: Promise<void> }> {
    const client = createListener(config, 'terrace-events')
    client.on('notification', ({ channel, payload }) => {
      if (channel !== EVENTS_CHANNEL) return
      const notice = parse(payload ?? '')
      if (notice === undefined) log.warn('an event that is none was ignored')
      else hearing.onNotice(notice)
    })
    try {
      await client.connect()
      await client.query(within(BRIEF_MS, { text: `LISTEN ${EVENTS_CHANNEL}` }))
    } catch (error) {
      await goodbye(client)
      throw error
    }
    return { client, lost: lossOf(client, stopping.signal) }
  }

  async function keep(first: { client: pg.Client; lost: Promise<void> }): Promise<void> {
    let connection = first
    for (;;) {
      await connection.lost
      await goodbye(connection.client)
      if (stopping.signal.aborted) return
      log.warn('the connection for events was lost')
      for (let wait = BACK_OFF_MS.first; ; wait = Math.min(wait * 2, BACK_OFF_MS.most)) {
        try {
          connection = await connect()
          break
        } catch {
          await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal: stopping.signal }).catch(
            () => {},
          )
          if (stopping.signal.aborted) return
        }
      }
      log.info('the connection for events is there again')
      hearing.onGap()
    }
  }

  const kept = keep(await connect())
  return {
    async stop() {
      stopping.abort()
      await kept
    },
  }
}

function parse(payload: string): Notice | undefined {
  try {
    return noticeSchema.parse(JSON.parse(payload))
  } catch {
    return undefined
  }
}
