// Documents read in another way, beside the way that is searched: built, switched to at once, and back.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../errors.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../index/engines/embedded.ts'
import { embedVersion } from '../ingest/embed.ts'
import type { Embedder } from '../models/port.ts'
import { searchPassages } from '../retrieval/search.ts'
import { buildGeneration, removeGeneration, switchGeneration } from './change.ts'
import { addReader, type GenerationsFixture, generationsFixture, READER, texts } from './fixtures.ts'

const LONG = 320
const SHORT = 120

let of: GenerationsFixture
beforeEach(async () => {
  of = await generationsFixture()
  await addReader(of)
})
afterEach(() => of[Symbol.asyncDispose]())

const ready = (id: number) =>
  expect.poll(async () => (await of.generation(id))?.ready, { interval: 50 }).toBe(true)

async function build(passageTokens: number): Promise<number> {
  const id = await buildGeneration(of.deps, 'old', passageTokens)
  await ready(id)
  return id
}

const readings = async (versionId: string) => {
  const { rows } = await of.db.pool.query<{ reading: number; passages: number }>(
    `SELECT reading_id AS reading, count(*)::int AS passages FROM passages WHERE version_id = $1
     GROUP BY reading_id ORDER BY reading_id`,
    [versionId],
  )
  return rows.map(({ passages }) => passages)
}
const log = async (versionId: string) => {
  const { rows } = await of.db.pool.query<{ op: string; reading: number | null }>(
    'SELECT op, reading_id AS reading FROM index_log WHERE version_id = $1 ORDER BY seq',
    [versionId],
  )
  return rows.map(({ op, reading }) => (reading === null ? op : `${op} ${reading}`))
}

describe('another length of passages', () => {
  let home: string
  let servers: EmbeddedIndex[]
  beforeEach(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'terrace-readings-'))
    servers = []
  })
  afterEach(async () => {
    await Promise.all(servers.map((index) => index.close()))
    rmSync(home, { recursive: true, force: true })
  })

  async function startServers(): Promise<void> {
    servers = await Promise.all(
      ['one', 'two'].map((name) => startEmbeddedIndex(of.db.config(path.join(home, name)), of.deps.log)),
    )
    await expect.poll(() => servers.every((index) => index.status().position !== null)).toBe(true)
  }
  const search = (index: EmbeddedIndex, query = 'the lamp by the river') =>
    searchPassages({ ...of.deps, index }, READER, { query, limit: 5, seen: 'head' })
  const holds = (generation: number) =>
    expect
      .poll(() => servers.every((index) => index.status().generation === generation), { interval: 20 })
      .toBe(true)

  test('is read beside the one in use, switched to at once while questions are asked, and back', async () => {
    for (let n = 0; n < 30; n++) await of.add(texts(4, `note ${n}`))
    of.startFill()
    await startServers()
    const id = await build(LONG)
    const { rows } = await of.db.pool.query<{ id: string; reading: number }>(
      'SELECT id, reading_id AS reading FROM passages',
    )
    const readingOf = new Map(rows.map((row) => [Number(row.id), row.reading]))
    const answers: string[] = []
    let asking = true
    const crowd = servers.flatMap((index) =>
      Array.from({ length: 2 }, async () => {
        while (asking) {
          const { passages } = await search(index)
          answers.push([...new Set(passages.map((hit) => readingOf.get(hit.passageId)))].join() || 'none')
        }
      }),
    )
    const found = async () => {
      const [one, two] = await Promise.all(servers.map((index) => search(index)))
      // Promise P6.
      expect(two).toEqual(one)
      return [...new Set(one?.passages.map((hit) => readingOf.get(hit.passageId)))]
    }
    const before = await found()
    await switchGeneration(of.deps, id)
    await holds(id)
    const after = await found()
    await switchGeneration(of.deps, of.oldId)
    await holds(of.oldId)
    expect(await found()).toEqual(before)
    asking = false
    await Promise.all(crowd)
    expect([before.length, after.length, before[0] === after[0]]).toEqual([1, 1, false])
    // All of an answer is of one reading, and none is empty.
    expect(new Set(answers)).toEqual(new Set([String(before[0]), String(after[0])]))
  })

  test('what is uploaded after a switch is found at once, and after going back as well', async () => {
    await of.add(texts(4, 'note'))
    of.startFill()
    await startServers()
    const id = await build(LONG)
    await switchGeneration(of.deps, id)
    await holds(id)
    const { versionId } = await of.add(['a quince in', 'the garden'])
    for (const index of servers) {
      const { passages } = await search(index, 'quince')
      expect(passages[0]).toMatchObject({ versionId, text: 'a quince in the garden' })
    }
    await ready(of.oldId)
    await switchGeneration(of.deps, of.oldId)
    await holds(of.oldId)
    for (const index of servers)
      expect((await search(index, 'quince')).passages[0]).toMatchObject({ versionId, text: 'a quince in' })
  })

  test('a document that waits for its vectors during the switch is found by its words all the while', async () => {
    await of.add(texts(4, 'note'))
    of.startFill()
    await startServers()
    const id = await build(LONG)
    const { versionId } = await of.words(['a quince in', 'the garden'])
    await switchGeneration(of.deps, id)
    await holds(id)
    for (const index of servers)
      expect((await search(index, 'quince')).passages[0]).toMatchObject({ versionId, text: 'a quince in' })
    await of.embed(versionId)
    // One of each document, none for passages of the reading before.
    expect(await of.vectors(id)).toBe(2)
    expect(await log(versionId)).toEqual(['publish-words 1', 'publish-words 2', 'publish-vectors'])
    for (const index of servers) {
      const { passages } = await search(index, 'quince')
      expect(passages.filter((hit) => hit.versionId === versionId).map(({ text }) => text)).toEqual([
        'a quince in the garden',
      ])
    }
  })
})

test('it can be switched to only when every document was read, and every passage has its vector', async () => {
  const read: string[] = []
  const { versionId } = await of.add(texts(4, 'one'))
  await of.add(texts(4, 'two'))
  let refuses = true
  of.deps.readAgain = async (id, reading, signal) => {
    if (id !== versionId && refuses) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    read.push(id)
    return await of.readAgain(id, reading, signal)
  }
  const id = await buildGeneration(of.deps, 'old', LONG)
  await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({
    ...{ code: 'GENERATION_UNREAD', detail: { documents: 2 } },
  })
  of.startFill()
  await expect.poll(async () => (await of.generation(id))?.documentsRead).toBe(1)
  expect(await of.generation(id)).toMatchObject({ ready: false, documents: 2, passageTokens: LONG })
  await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({ detail: { documents: 1 } })
  refuses = false
  await ready(id)
  expect(await of.generation(id)).toMatchObject({ documentsRead: 2, passages: 2, embedded: 2 })
  await switchGeneration(of.deps, id)
  expect(read.length).toBe(2)
})

test('a file that can not be read anew is named, and not read again and again; without it the rest is whole', async () => {
  await of.add(texts(4, 'one'))
  const bad = await of.add(texts(4, 'two'))
  await of.db.pool.query("UPDATE documents SET name = 'bad.pdf' WHERE id = $1", [bad.documentId])
  let asked = 0
  of.deps.readAgain = async (id, reading, signal) => {
    if (id !== bad.versionId) return await of.readAgain(id, reading, signal)
    asked++
    throw new AppError('FILE_DAMAGED')
  }
  const id = await buildGeneration(of.deps, 'old', SHORT)
  of.startFill()
  await expect
    .poll(async () => (await of.generation(id))?.problem)
    .toEqual({ code: 'READING_FAILED', detail: { name: 'bad.pdf', files: 1 } })
  await sleep(1_500)
  expect(asked).toBe(1)
  expect(await of.generation(id)).toMatchObject({ ready: false, documentsRead: 1 })
  // Its name is for those who may see it.
  await of.db.pool.query('DELETE FROM collection_members')
  expect((await of.generation(id))?.problem).toEqual({
    code: 'READING_FAILED_ELSEWHERE',
    detail: { files: 1 },
  })
  await of.delete(bad.documentId)
  // Nobody has to wait for the next look: a switch counts for itself.
  await switchGeneration(of.deps, id)
})

test('files that can not be read for a while keep no other file from being read', async () => {
  for (let n = 0; n < 6; n++) await of.add(texts(2, `note ${n}`))
  const away = new Set<string>()
  of.deps.readAgain = async (id, reading, signal) => {
    if (away.has(id) || away.size < 4) {
      away.add(id)
      throw Object.assign(new Error('the store is away'), { code: 'EIO' })
    }
    return await of.readAgain(id, reading, signal)
  }
  const id = await buildGeneration(of.deps, 'old', LONG)
  of.startFill()
  await expect.poll(async () => (await of.generation(id))?.documentsRead).toBe(2)
  // What was read gets its vectors meanwhile, which ends the pause that is shown, until the next.
  await expect.poll(async () => (await of.generation(id))?.problem?.code).toBe('UNAVAILABLE')
})

test('cancelled while documents are read, no more are, and it is removed', async () => {
  for (let n = 0; n < 6; n++) await of.add(texts(2, `note ${n}`))
  const gate = Promise.withResolvers<void>()
  let read = 0
  of.deps.readAgain = async (id, reading, signal) => {
    read++
    await gate.promise
    return await of.readAgain(id, reading, signal)
  }
  const id = await buildGeneration(of.deps, 'old', LONG)
  of.startFill()
  await expect.poll(() => read).toBe(1)
  await removeGeneration(of.deps, id)
  gate.resolve()
  await expect.poll(() => of.state(id)).toBe('removed')
  expect(read).toBe(1)
})

test('the first generation’s passages stay its own: vectors of the new ones are not asked of it', async () => {
  const { versionId } = await of.add(texts(4, 'one'))
  of.startFill()
  const id = await build(SHORT)
  expect(await readings(versionId)).toEqual([4, 12])
  expect([await of.vectors(of.oldId), await of.vectors(id)]).toEqual([4, 12])
  await switchGeneration(of.deps, id)
  await ready(of.oldId)
  expect([await of.vectors(of.oldId), await of.vectors(id)]).toEqual([4, 12])
})

test('a document that comes after a switch is read for the one before, which is ready to go back to', async () => {
  await of.add(texts(4, 'one'))
  of.startFill()
  const id = await build(SHORT)
  await switchGeneration(of.deps, id)
  await ready(of.oldId)
  const { rows } = await of.db.pool.query<{ id: number }>(
    "SELECT reading_id AS id FROM generations WHERE state = 'active'",
  )
  const { versionId } = await of.words(['quince', 'garden'], undefined, rows[0]?.id ?? 0)
  await of.embed(versionId)
  expect(await log(versionId)).toEqual([`publish-words ${rows[0]?.id}`, 'publish-vectors'])
  await expect.poll(() => readings(versionId)).toEqual([1, 2])
  await ready(of.oldId)
  await switchGeneration(of.deps, of.oldId)
})

test('what a killed process has read without making its vectors gets them, also when all was complete before', async () => {
  await of.add(texts(4, 'one'))
  of.startFill()
  const id = await build(LONG)
  await switchGeneration(of.deps, id)
  await ready(of.oldId)
  const { versionId } = await of.add(['a quince in', 'the garden'])
  await ready(of.oldId)
  await of.db.pool.query(
    `DELETE FROM passage_vectors WHERE generation_id = $1 AND passage_id IN (SELECT id FROM passages WHERE version_id = $2)`,
    [of.oldId, versionId],
  )
  await of.db.pool.query("UPDATE document_versions SET updated_at = now() - interval '1 hour'")
  await of.db.pool.query("UPDATE documents SET updated_at = now() - interval '1 hour'")
  // As the reading would have left it.
  await of.db.pool.query('UPDATE version_readings SET at = now() WHERE version_id = $1', [versionId])
  await of.db.pool.query("SELECT nextval('passages_id_seq')")
  await expect.poll(() => of.vectors(of.oldId)).toBe(6)
})

test('an older build’s document, which has no row of its reading, gets its vectors and one', async () => {
  const { versionId } = await of.words(['a quince'])
  await of.db.pool.query('DELETE FROM version_readings WHERE version_id = $1', [versionId])
  const turns = { share: (embedder: Embedder) => embedder, othersWait: async () => false }
  const none = async () => {
    throw new Error('nothing is to be read')
  }
  await embedVersion({ ...of.deps, ...turns, readAgain: none }, versionId, new AbortController().signal)
  expect(await log(versionId)).toEqual(['publish-words 1', 'publish-vectors'])
  const { rows } = await of.db.pool.query('SELECT 1 FROM version_readings WHERE version_id = $1', [versionId])
  expect(rows.length).toBe(1)
})

test('the same model and the same passages are there already; other passages are another generation', async () => {
  await expect(buildGeneration(of.deps, 'old', 200)).rejects.toMatchObject({ code: 'GENERATION_EXISTS' })
  await expect(buildGeneration(of.deps, 'old')).rejects.toMatchObject({ code: 'GENERATION_EXISTS' })
  const id = await buildGeneration(of.deps, 'old', SHORT)
  await expect(buildGeneration(of.deps, 'old', LONG)).rejects.toMatchObject({ code: 'GENERATION_BUSY' })
  await switchGeneration(of.deps, id)
  // As they are now, unless said otherwise.
  const other = await buildGeneration(of.deps, 'new')
  expect(await of.generation(other)).toMatchObject({ passageTokens: SHORT, embedderId: 'new' })
})
