// What happens to the index when its process, its files or its database are not what they were.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { FixtureLibrary, unit } from '../fixtures.ts'
import type { Candidate, IndexQuery } from '../port.ts'
import { type EmbeddedIndex, type EmbeddedOptions, startEmbeddedIndex } from './embedded.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Place extends AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly dir: string
  /** What the parent said in its log. */
  readonly said: string[]
  start(options?: EmbeddedOptions): Promise<EmbeddedIndex>
}

async function place(): Promise<Place> {
  const db = await testDatabase()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-lifecycle-'))
  folders.push(home)
  const said: string[] = []
  const running: EmbeddedIndex[] = []
  return {
    db,
    library: new FixtureLibrary(db.pool),
    dir: path.join(home, 'index'),
    said,
    async start(options) {
      const log = pino({ level: 'info' }, { write: (line) => void said.push(line) })
      const index = await startEmbeddedIndex(db.config(home), log, options)
      running.push(index)
      return index
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((index) => index.close()))
      await db[Symbol.asyncDispose]()
    },
  }
}

/** Three documents with words and vectors; the query that finds them all, and what it finds. */
async function filled({ library }: Place) {
  const collection = await library.collection()
  const documents = []
  let position = { epoch: '', seq: 0 }
  for (const n of [1, 2, 3]) {
    const document = await library.document(collection)
    const passages = [0, 1, 2].map((i) => ({ text: `quince number ${n} ${i}`, vector: [n, i, 1] }))
    position = (await library.publish(document, passages)).position
    documents.push(document)
  }
  const query: IndexQuery = {
    text: 'quince 2',
    vector: unit([1, 2, 1]),
    limit: 20,
    filter: { kind: 'collections', keys: [collection.key] },
  }
  return { collection, documents, position, query }
}

async function answered(index: EmbeddedIndex, query: IndexQuery): Promise<readonly Candidate[]> {
  return (await index.search(query)).candidates
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 20_000) throw new Error(`waited in vain: ${what}`)
    await sleep(10)
  }
}

const files = (dir: string, prefix: string) => readdirSync(dir).filter((name) => name.startsWith(prefix))

/** Of checkpoints; what processes are only making lies in a folder. */
const filesOf = (dir: string) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? entry.name : []))

test('killed in the middle of searches it comes back; searches wait or are told so, and none is wrong', async () => {
  await using here = await place()
  const { query, position } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  const right = await answered(index, query)
  expect(right).toHaveLength(9)
  const unavailable = (error: unknown) => {
    expect(error).toMatchObject({ code: 'UNAVAILABLE' })
    return null
  }
  for (let round = 0; round < 3; round++) {
    const searches = Array.from({ length: 30 }, () => answered(index, query).catch(unavailable))
    const pid = index.pid()
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    searches.push(...Array.from({ length: 30 }, () => answered(index, query).catch(unavailable)))
    for (const found of await Promise.all(searches)) if (found !== null) expect(found).toEqual(right)
    await until(() => index.status().ready, 'ready again')
    expect(await answered(index, query)).toEqual(right)
    expect(index.pid()).not.toBe(pid)
  }
}, 90_000)

test('one that hangs is ended, and its questions are answered by the next', async () => {
  await using here = await place()
  const { query, position } = await filled(here)
  const index = await here.start({ hungMs: 1_000 })
  await index.waitFor(position, 10_000)
  const right = await answered(index, query)
  const pid = index.pid()
  if (pid !== undefined) process.kill(pid, 'SIGSTOP')
  expect(await answered(index, query)).toEqual(right)
  expect(index.pid()).not.toBe(pid)
})

test('while nothing can be loaded a search is told so; it never answers from an empty index', async () => {
  await using here = await place()
  const { query } = await filled(here)
  await here.db.pool.query('ALTER TABLE passages RENAME TO passages_away')
  const index = await here.start()
  const early = answered(index, query)
  await expect(early).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(index.status().ready).toBe(false)
  await here.db.pool.query('ALTER TABLE passages_away RENAME TO passages')
  await until(() => index.status().ready, 'ready')
  expect(await answered(index, query)).toHaveLength(9)
})

test('a damaged checkpoint is passed over for the one before it, and that for the tables', async () => {
  await using here = await place()
  const { query, position } = await filled(here)
  let index = await here.start()
  await index.waitFor(position, 10_000)
  await index.close()
  expect(files(here.dir, 'checkpoint-')).toHaveLength(1)

  // A second checkpoint, by another document.
  const elsewhere = await here.library.collection()
  const other = await here.library.document(elsewhere)
  index = await here.start()
  await index.waitFor(
    (await here.library.publish(other, [{ text: 'medlar', vector: [0, 0, 1] }])).position,
    10_000,
  )
  const after = await answered(index, query)
  await index.close()
  expect(files(here.dir, 'checkpoint-')).toHaveLength(2)
  const intact = new Map(filesOf(here.dir).map((name) => [name, readFileSync(path.join(here.dir, name))]))

  const harm: Record<string, (file: string) => void> = {
    'a flipped bit': (file) => {
      const bytes = Buffer.from(readFileSync(file))
      const at = Math.floor(bytes.length / 2)
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
      writeFileSync(file, bytes)
    },
    'a cut end': (file) => truncateSync(file, statSync(file).size - 1),
    nothing: (file) => writeFileSync(file, ''),
    'another program': (file) => copyFileSync(process.execPath, file),
    absence: (file) => rmSync(file),
  }
  for (const [kind, damage] of Object.entries(harm))
    for (const which of kind === 'a flipped bit' ? (['newest', 'all'] as const) : (['newest'] as const)) {
      for (const name of filesOf(here.dir)) rmSync(path.join(here.dir, name))
      for (const [name, bytes] of intact) writeFileSync(path.join(here.dir, name), bytes)
      const manifests = files(here.dir, 'checkpoint-').sort()
      const newest = manifests.at(-1) ?? ''
      if (which === 'all') for (const name of filesOf(here.dir)) damage(path.join(here.dir, name))
      else damage(path.join(here.dir, kind === 'nothing' ? newest : stateOf(intact.get(newest))))
      index = await here.start()
      await until(() => index.status().ready, `ready after ${kind} in ${which}`)
      expect(await answered(index, query), `${kind} in ${which}`).toEqual(after)
      await index.close()
    }
}, 120_000)

function stateOf(manifest: Buffer | undefined): string {
  return /"name":"(state-[a-z0-9]+\.bin)"/.exec(manifest?.toString() ?? '')?.[1] ?? ''
}

test('what killed processes left is gone before a rebuild needs the disk, without a checkpoint', async () => {
  await using here = await place()
  const { position } = await filled(here)
  mkdirSync(path.join(here.dir, 'making'), { recursive: true })
  const dead = path.join('making', `${spawnSync('true').pid}.other.file`)
  const living = path.join('making', `${process.pid}.other.file`)
  const stray = 'vectors-00.faiss'
  for (const name of [dead, living, stray]) writeFileSync(path.join(here.dir, name), 'half')
  const longAgo = Date.now() / 1000 - 3_600
  utimesSync(path.join(here.dir, stray), longAgo, longAgo)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  expect(readdirSync(here.dir)).toEqual(['making'])
  expect(readdirSync(path.join(here.dir, 'making'))).toEqual([path.basename(living)])
})

test('a process that is worn is replaced between searches', async () => {
  await using here = await place()
  const { query, position, collection } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  const right = await answered(index, query)
  const pid = index.pid()
  // Dead passages in numbers: published, replaced and retracted.
  const document = await here.library.document(collection)
  const many = Array.from({ length: 7_000 }, (_, i) => ({ text: `medlar ${i}` }))
  for (let round = 0; round < 3; round++) await here.library.publishWords(document, many)
  const gone = await here.library.retract(document)
  let searching = true
  const searches = (async () => {
    for (; searching; await sleep(5)) await answered(index, query)
  })()
  await index.waitFor(gone, 30_000)
  await until(() => index.pid() !== pid, 'replaced')
  searching = false
  await searches
  expect(await answered(index, query)).toEqual(right)
  expect(here.said.some((line) => line.includes('is being replaced'))).toBe(true)
}, 120_000)

test('after a restore of the database the history is noticed and the old state given up', async () => {
  await using here = await place()
  const { query, position, documents } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  expect(await answered(index, query)).toHaveLength(9)
  // As after a restore to before the last document: its rows and entries are gone, then history goes on otherwise.
  const [first, second, third] = documents
  if (first === undefined || second === undefined || third === undefined) throw new Error('three documents')
  await here.db.pool.query('DELETE FROM documents WHERE id = $1', [third.id])
  await here.db.pool.query('DELETE FROM index_log WHERE document_key = $1', [third.key])
  await here.db.pool.query('UPDATE index_head SET seq = seq - 2, epoch = gen_random_uuid()')
  await here.library.session('somebody')
  await here.library.session('somebody')
  const restored = await here.library.retract(second)
  await index.waitFor(restored, 20_000)
  expect(await answered(index, query)).toHaveLength(3)
})

test('a new epoch over an unchanged history is followed without loading again', async () => {
  await using here = await place()
  const { query, position, collection } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  const pid = index.pid()
  await here.db.pool.query('UPDATE index_head SET epoch = gen_random_uuid()')
  const document = await here.library.document(collection)
  const later = await here.library.publish(document, [{ text: 'quince late', vector: [1, 1, 1] }])
  expect(later.position.epoch).not.toBe(position.epoch)
  await index.waitFor(later.position, 10_000)
  expect(await answered(index, query)).toHaveLength(10)
  expect(index.pid()).toBe(pid)
})

test('follows on after its connections were cut', async () => {
  await using here = await place()
  const { query, position, collection } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  await here.db.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'terrace-index%'`,
  )
  const document = await here.library.document(collection)
  const later = await here.library.publish(document, [{ text: 'quince late', vector: [1, 1, 1] }])
  await index.waitFor(later.position, 10_000)
  expect(await answered(index, query)).toHaveLength(10)
})

test('hears of sessions that ended', async () => {
  await using here = await place()
  const heard: string[] = []
  const index = await here.start({ onSession: (userId) => void heard.push(userId) })
  await until(() => index.status().ready, 'ready')
  const position = await here.library.session('person-7')
  await index.waitFor(position, 10_000)
  expect(heard).toEqual(['person-7'])
})

test('a document appears all at once, by words and then by meaning', async () => {
  await using here = await place()
  const { collection, position } = await filled(here)
  const index = await here.start()
  await index.waitFor(position, 10_000)
  const document = await here.library.document(collection)
  const count = 2_500
  const filter = { kind: 'documents' as const, keys: [document.key] }
  const seen = new Set<string>()
  let watching = true
  const watch = (async () => {
    for (; watching; await sleep(1)) {
      const found = await answered(index, { text: 'loquat', vector: unit([1, 0, 0]), limit: 200, filter })
      const { passages } = index.status()
      seen.add(`${found.length} ${found.some(({ withoutVector }) => withoutVector)} ${passages > 9}`)
    }
  })()
  const passages = Array.from({ length: count }, (_, i) => ({
    text: `loquat ${i}`,
    vector: [Math.cos(i), Math.sin(i), 0],
  }))
  const { position: published } = await here.library.publish(document, passages)
  await index.waitFor(published, 30_000)
  watching = false
  await watch
  const last = await answered(index, { text: 'loquat', vector: unit([1, 0, 0]), limit: 200, filter })
  expect(last.every(({ withoutVector }) => !withoutVector)).toBe(true)
  // Nothing; everything by words; everything by meaning. Never a part.
  for (const state of seen) expect(['0 false', '200 true', '200 false']).toContain(state.replace(/ \w+$/, ''))
}, 60_000)
