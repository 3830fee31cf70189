import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person, ServerEvent } from '../../test/server.ts'
import type { Viewer } from '../access/port.ts'
import { createLog } from '../log.ts'
import { createEvents, type Events, type LibraryEvent, notifyChat, notifyDocument } from './events.ts'
import { Subscriber } from './subscriber.ts'

let library: TestLibrary
let owner: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

/** A subscription whose news are collected as they come. */
function listen(events: Events, viewer: Viewer) {
  const stop = new AbortController()
  const heard: LibraryEvent[] = []
  let ended = false
  const reading = (async () => {
    for await (const event of events.watch(viewer, stop.signal)) heard.push(event)
    ended = true
  })()
  return {
    heard,
    ended: () => ended,
    documents: () => heard.flatMap((event) => (event.type === 'document' ? [event] : [])),
    clear: () => heard.splice(0),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await reading
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Whatever was notified before has been heard and answered: this one is about a document nobody else speaks of. */
async function settled(person: Person, events: ReturnType<typeof listen>): Promise<void> {
  const where = await library.collection(person)
  const { documentId } = await upload(person, where, 'marker.txt', `marker ${Math.random()}`)
  await until(() => events.documents().some((event) => event.documentId === documentId))
}

test('a subscription begins with what to fetch, then tells of each change, as the viewer may see it', async () => {
  const { documentId } = await upload(owner, collection, 'a.txt', 'a')
  await using events = listen(library.events, owner.viewer)
  await until(() => events.heard.length > 0)
  expect(events.clear()[0]).toEqual({ type: 'collections' })
  await owner.api.documents.rename.mutate({ id: documentId, name: 'renamed.txt' })
  // What is left of the upload's own news may come first.
  await until(() => events.documents().at(-1)?.item?.name === 'renamed.txt')
  expect(events.documents().at(-1)).toEqual({
    type: 'document',
    collectionId: collection,
    documentId,
    item: await owner.api.documents.get.query({ id: documentId }).then(({ versions: _, ...item }) => item),
  })
  events.clear()
  await owner.api.documents.delete.mutate({ id: documentId })
  await until(() => events.documents().at(-1)?.item === null)
  expect(events.documents().at(-1)).toEqual({
    type: 'document',
    collectionId: collection,
    documentId,
    item: null,
  })
})

test('nobody hears of what they may not see, from the moment they may not', async () => {
  const [viewer, stranger] = [await library.server.person(), await library.server.person({ role: 'owner' })]
  await owner.api.collections.setMember.mutate({
    id: collection,
    userId: viewer.viewer.userId,
    role: 'viewer',
  })
  await using theirs = listen(library.events, viewer.viewer)
  await using foreign = listen(library.events, stranger.viewer)
  const { documentId } = await upload(owner, collection, 'b.txt', 'b')
  await until(() => theirs.documents().length > 0)
  expect(theirs.documents()[0]?.item).toMatchObject({ name: 'b.txt', role: 'viewer' })
  await owner.api.collections.removeMember.mutate({ id: collection, userId: viewer.viewer.userId })
  await until(() => theirs.heard.at(-1)?.type === 'collections')
  theirs.clear()
  await owner.api.documents.rename.mutate({ id: documentId, name: 'unheard.txt' })
  await settled(viewer, theirs)
  await settled(stranger, foreign)
  expect(theirs.documents().filter((event) => event.collectionId === collection)).toEqual([])
  expect(foreign.documents().filter((event) => event.collectionId === collection)).toEqual([])
})

test('changes of collections and chats reach those concerned and nobody else', async () => {
  const other = await library.server.person()
  await using mine = listen(library.events, owner.viewer)
  await using theirs = listen(library.events, other.viewer)
  await until(() => mine.heard.length > 0 && theirs.heard.length > 0)
  mine.clear()
  theirs.clear()
  await owner.api.collections.update.mutate({ id: collection, name: 'Renamed' })
  await notifyChat(library.pool, owner.viewer.userId, 'chat-1')
  await until(() => mine.heard.length === 2)
  expect(mine.heard).toEqual(
    expect.arrayContaining([{ type: 'collections' }, { type: 'chat', chatId: 'chat-1' }]),
  )
  await settled(other, theirs)
  expect(theirs.heard.filter((event) => event.type === 'chat')).toEqual([])
})

test.each([
  ['signed out', 'DELETE FROM sessions WHERE id = $1'],
  ['expired', 'UPDATE sessions SET expires_at = now() WHERE id = $1'],
  ['banned', 'UPDATE users SET banned = true WHERE id = (SELECT user_id FROM sessions WHERE id = $1)'],
])('a session that ended (%s) hears nothing more', async (how, end) => {
  const person = await library.server.person()
  await owner.api.collections.setMember.mutate({
    id: collection,
    userId: person.viewer.userId,
    role: 'viewer',
  })
  await using events = listen(library.events, person.viewer)
  // Notices come in order: with this one, all that were on their way have come.
  await upload(owner, collection, 'before.txt', `before being ${how}`)
  await until(() => events.documents().length > 0)
  events.clear()
  await library.pool.query(end, [person.viewer.sessionId])
  await upload(owner, collection, 'after.txt', `after being ${how}`)
  await until(() => events.ended())
  expect(events.heard).toEqual([])
})

test('many changes of one document are merged, and the last state is always told', async () => {
  const log = createLog(library.server.config, 'test')
  const events = await createEvents(library.server.config, library.pool, log, { mergeMs: 300 })
  try {
    const { documentId, versionId } = await upload(owner, collection, 'busy.txt', 'busy')
    await using mine = listen(events, owner.viewer)
    await until(() => mine.heard.length > 0)
    for (let n = 1; n <= 200; n++) {
      await library.pool.query('UPDATE document_versions SET pages_parsed = $2 WHERE id = $1', [versionId, n])
      await notifyDocument(library.pool, documentId)
    }
    await until(() => mine.documents().at(-1)?.item?.version.pagesParsed === 200)
    expect(mine.documents().length).toBeLessThan(100)
    const seen = mine.documents().map((event) => event.item?.version.pagesParsed ?? 0)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  } finally {
    await events.stop()
  }
})

test('after the connection was lost, subscribers are told to fetch again, and hear of later changes', async () => {
  await using mine = listen(library.events, owner.viewer)
  await until(() => mine.heard.length > 0)
  mine.clear()
  for (let round = 0; round < 2; round++) {
    const { rowCount } = await library.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'terrace-events' AND datname = current_database()`,
    )
    expect(rowCount).toBe(1)
    await until(() => mine.heard.some((event) => event.type === 'collections'))
    mine.clear()
    const { documentId } = await upload(owner, collection, `round-${round}.txt`, `round ${round}`)
    await until(() => mine.documents().some((event) => event.documentId === documentId))
  }
})

test('when rights can not be asked, nothing is told but to fetch again', async () => {
  const log = createLog(library.server.config, 'test')
  let broken = false
  const pool = new Proxy(library.pool, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property === 'query' && broken) return () => Promise.reject(new Error('away'))
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const events = await createEvents(library.server.config, pool, log)
  try {
    await using mine = listen(events, owner.viewer)
    await until(() => mine.heard.length > 0)
    mine.clear()
    broken = true
    await upload(owner, collection, 'unasked.txt', 'unasked')
    await until(() => mine.heard.length > 0)
    expect(mine.heard).toEqual([{ type: 'collections' }])
  } finally {
    await events.stop()
  }
})

test('news that are none are ignored', async () => {
  await using mine = listen(library.events, owner.viewer)
  for (const payload of ['', 'not json', '{"type":"document"}', '[]'])
    await library.pool.query('SELECT pg_notify($1, $2)', ['terrace_events', payload])
  await settled(owner, mine)
})

test('events.watch over HTTP: news as server-sent events, ended by leaving', async () => {
  const seen: ServerEvent[] = []
  let uploaded: string | undefined
  for await (const event of owner.subscribe('events.watch', undefined)) {
    if (event.event !== 'message') continue
    seen.push(event)
    if (uploaded === undefined) {
      expect(event.data).toEqual({ type: 'collections' })
      uploaded = (await upload(owner, collection, 'sse.txt', 'sse')).documentId
    } else if ((event.data as LibraryEvent).type === 'document') break
  }
  expect(seen.at(-1)?.data).toMatchObject({
    type: 'document',
    documentId: uploaded,
    item: { name: 'sse.txt', createdAt: expect.any(Date) },
  })
  const anonymous = library.server.anonymous.fetch('/trpc/events.watch', {
    headers: { accept: 'text/event-stream' },
  })
  expect(await (await anonymous).text()).toContain('SIGN_IN_REQUIRED')
})

test('a reader that falls behind gets one word instead of a queue without end', async () => {
  const subscriber = new Subscriber(owner.viewer, 3)
  const chat = (n: number): LibraryEvent => ({ type: 'chat', chatId: String(n) })
  for (const n of [1, 2, 2, 1, 3]) subscriber.push(chat(n))
  subscriber.close()
  const read = async (from: Subscriber) => {
    const events: LibraryEvent[] = []
    for await (const event of from.read(undefined)) events.push(event)
    return events
  }
  expect(await read(subscriber)).toEqual([chat(1), chat(2), chat(3)])
  const slow = new Subscriber(owner.viewer, 3)
  for (let n = 0; n < 10; n++) slow.push(chat(n))
  slow.close()
  const left = await read(slow)
  expect(left.length).toBeLessThanOrEqual(3)
  expect(left).toContainEqual({ type: 'collections' })
})
