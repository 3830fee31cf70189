// Each number of a real server, every room started, by doing the thing that it counts.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EmfLine } from '../../../contract/emf.schema.ts'
import { METRICS } from '../../../contract/metrics.ts'
import { cuttableLine } from '../../test/api-process.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { valuesOf, type Written, writtenBy } from '../../test/metrics.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { transaction } from '../database/pool.ts'
import type { EmbeddedIndex } from '../index/engines/embedded.ts'
import { append } from '../index/log.ts'
import type { SwitchingIndex } from '../index/switch/switching-index.ts'

const DAY_MS = 24 * 3_600_000

let db: TestDatabase
let line: Awaited<ReturnType<typeof cuttableLine>>
let server: TestServer
let written: Written
let person: Person
/** Every line that the server has written. */
const all: string[] = []

beforeAll(async () => {
  db = await testDatabase()
  line = await cuttableLine(db)
  const lines: string[] = []
  server = await testServer(db, {
    whole: true,
    env: {
      DATABASE_URL: line.url,
      TERRACE_STAGE: 'test',
      TERRACE_IMAGE_MADE_AT: new Date(Date.now() - 3 * DAY_MS).toISOString(),
    },
    onLine: (text) => {
      lines.push(text)
      all.push(text)
    },
  })
  written = writtenBy(server.services.metrics, lines)
  person = await server.person({ name: 'Ada Lovelace' })
  await until(({ values }) => values.has('IndexLag'))
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
  await db?.[Symbol.asyncDispose]()
})

/** The first line that suits; how long that takes is not this test's business. */
async function until(suits: (line: EmfLine) => boolean): Promise<EmfLine> {
  for (;;) {
    const found = (await written.read()).find(suits)
    if (found !== undefined) return found
    await sleep(50)
  }
}

test('everything of the tier that has a number is in one line', async () => {
  const lines = await written.read()
  expect(lines).toHaveLength(1)
  const expected = Object.entries(METRICS).filter(([name]) => name !== 'TimeToFirstToken')
  expect([...(lines[0]?.values.keys() ?? [])].sort()).toEqual(expected.map(([name]) => name).sort())
})

test('a question is asked: its time to first words, and one that was served', async () => {
  const { id: collectionId } = await person.api.collections.create.mutate({ name: 'Empty' })
  const { id: chatId } = await person.api.chats.create.mutate({ collectionIds: [collectionId] })
  await written.read()
  const { answerId } = await person.api.chats.ask.mutate({
    ...{ chatId, text: 'Where is it written?', requestId: crypto.randomUUID() },
  })
  for await (const { event, data } of person.subscribe('chats.watch', { answerId }))
    if (event === 'message' && (data as { type: string }).type === 'end') break
  const line = await until(({ values }) => values.get('AnswersServed')?.[0] !== 0)
  expect(Object.fromEntries(line.values)).toMatchObject({
    AnswersServed: [1],
    AnswersFailed: [0],
    TimeToFirstToken: [expect.any(Number)],
  })
})

test('streams count while they are open', async () => {
  const open = async () => valuesOf(await written.read(), 'OpenStreams')[0]
  await expect.poll(open).toBe(0)
  const streams = [person.subscribe('events.watch', undefined), person.subscribe('events.watch', undefined)]
  for (const stream of streams) await stream.next()
  await expect.poll(open).toBe(2)
  for (const stream of streams) await stream.return(undefined)
  await expect.poll(open).toBe(0)
})

test('the machine: per cent of memory and disk, days since its image was made', async () => {
  const [line] = await written.read()
  for (const name of ['MemoryUsed', 'DiskUsed'] as const) {
    expect(line?.values.get(name)?.[0]).toBeGreaterThan(0)
    expect(line?.values.get(name)?.[0]).toBeLessThanOrEqual(100)
  }
  expect(line?.values.get('ImageAge')?.[0]).toBeCloseTo(3, 1)
})

test('a file waits for ingest, which does not run here; a job fails for good', async () => {
  const { id } = await person.api.collections.create.mutate({ name: 'Files' })
  const response = await person.fetch(`/files?collection=${id}&name=a.txt`, {
    method: 'PUT',
    headers: { 'content-type': 'text/plain' },
    body: 'A text.',
  })
  expect(response.status).toBeLessThan(300)
  const { rowCount } = await db.pool.query(
    "UPDATE pgboss.job SET created_on = now() - interval '10 minutes' WHERE name = 'ingest'",
  )
  expect(rowCount).toBe(1)
  const waiting = await written.read()
  expect(valuesOf(waiting, 'IngestQueueAge')[0]).toBeGreaterThanOrEqual(600)
  expect(valuesOf(waiting, 'DeadLetters')).toEqual([0])
  await db.pool.query("UPDATE pgboss.job SET state = 'failed' WHERE name = 'ingest'")
  const dead = await written.read()
  expect([valuesOf(dead, 'IngestQueueAge'), valuesOf(dead, 'DeadLetters')]).toEqual([[0], [1]])
})

test('an index that stands still falls behind, and catches up', async () => {
  const running = (server.services.index as SwitchingIndex).running('embedded')?.index
  const pid = (running as EmbeddedIndex | undefined)?.pid()
  if (pid === undefined) return expect.unreachable()
  process.kill(pid, 'SIGSTOP')
  try {
    await transaction(db.pool, (client) => append(client, { op: 'session', userId: person.viewer.userId }))
    const lag = async () => valuesOf(await written.read(), 'IndexLag')[0]
    await expect.poll(lag).toBeGreaterThan(0.5)
    const before = (await lag()) ?? 0
    await sleep(600)
    expect(await lag()).toBeGreaterThan(before + 0.5)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await until(({ values }) => values.get('IndexLag')?.[0] === 0)
})

describe('without its database', () => {
  test('the server tells what it knows, and nothing else', async () => {
    const ofDatabase = ['IngestQueueAge', 'DeadLetters', 'IndexLag'] as const
    line.cut()
    try {
      const [away] = await written.read()
      for (const name of ofDatabase) expect(away?.values.has(name)).toBe(false)
      for (const name of ['MemoryUsed', 'OpenStreams', 'AnswersServed', 'AnswersFailed'] as const)
        expect(away?.values.has(name)).toBe(true)
    } finally {
      line.mend()
    }
    await until(({ values }) => ofDatabase.every((name) => values.has(name)))
  })

  test('one that says nothing is not waited for longer than a statement may take', async () => {
    const other = await db.pool.connect()
    try {
      await other.query('BEGIN; LOCK TABLE pgboss.job IN ACCESS EXCLUSIVE MODE')
      const [away] = await written.read()
      expect(away?.values.has('DeadLetters')).toBe(false)
      expect(away?.values.has('MemoryUsed')).toBe(true)
      // Nor does it go on waiting there.
      const { rows } = await other.query(
        `SELECT 1 FROM pg_stat_activity WHERE application_name = 'terrace-api-metrics' AND state = 'active'
           AND datname = current_database()`,
      )
      expect(rows).toEqual([])
    } finally {
      await other.query('ROLLBACK')
      other.release()
    }
    await until(({ values }) => values.has('DeadLetters'))
  })
})

test('no line of metrics names anybody or says what was asked', () => {
  const { userId, name, email } = person.viewer
  const lines = all.filter((text) => text.includes('"_aws"')).join('')
  expect(lines.length).toBeGreaterThan(1_000)
  for (const secret of [userId, name, email, 'Where is it written', 'Files'])
    expect(lines).not.toContain(secret)
})
