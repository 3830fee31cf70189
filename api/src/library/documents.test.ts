import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'
import { cancelVersion } from '../ingest/publish.ts'

let library: TestLibrary
let owner: Person
let stranger: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  stranger = await library.server.person({ role: 'owner' })
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

const failure = (code: string) => expect.objectContaining({ data: expect.objectContaining({ code }) })
const set = (versionId: string, columns: string) =>
  library.pool.query(`UPDATE document_versions SET ${columns} WHERE id = $1`, [versionId])
const put = (name: string, more = {}) => upload(owner, collection, name, randomBytes(20), more)

/** What ingest does in the end, as far as reading goes. */
async function publish(documentId: string, versionId: string, texts: string[]): Promise<void> {
  for (const [i, text] of texts.entries())
    await library.pool.query('INSERT INTO pages (version_id, number, text) VALUES ($1, $2, $3)', [
      versionId,
      i + 1,
      text,
    ])
  await library.pool.query(
    `INSERT INTO passages (version_id, ordinal, page, char_start, char_end, text, tokens)
     SELECT $1, ord - 1, ord, 0, length(t), t, 1 FROM unnest($2::text[]) WITH ORDINALITY AS u(t, ord)`,
    [versionId, texts],
  )
  await set(versionId, `stage = 'searchable'`)
  await library.pool.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [
    documentId,
    versionId,
  ])
}

test('lists are newest first, page by page, and neither repeat nor skip while things change', async () => {
  const id = await library.collection(owner, 'Listed')
  const names: string[] = []
  for (let i = 0; i < 7; i++) {
    await upload(owner, id, `file ${i}.txt`, `content ${i}`)
    names.unshift(`file ${i}.txt`)
  }
  const first = await owner.api.documents.list.query({ collectionId: id, limit: 3 })
  expect(first.items.map((item) => item.name)).toEqual(names.slice(0, 3))
  await upload(owner, id, 'newer.txt', 'newer')
  await owner.api.documents.delete.mutate({ id: first.items[2]?.id ?? '' })
  const second = await owner.api.documents.list.query({
    collectionId: id,
    limit: 3,
    cursor: first.nextCursor ?? '',
  })
  expect(second.items.map((item) => item.name)).toEqual(names.slice(3, 6))
  const third = await owner.api.documents.list.query({
    collectionId: id,
    limit: 3,
    cursor: second.nextCursor ?? '',
  })
  expect(third.items.map((item) => item.name)).toEqual(names.slice(6))
  expect(third.nextCursor).toBeNull()
})

test('a search looks for the letters that were typed', async () => {
  const id = await library.collection(owner, 'Searched')
  for (const name of ['100% sure.txt', '100 sure.txt', 'a_b.txt', 'axb.txt', 'Größe.txt'])
    await upload(owner, id, name, name)
  const search = async (search: string) =>
    (await owner.api.documents.list.query({ collectionId: id, search })).items.map((item) => item.name)
  expect(await search('100%')).toEqual(['100% sure.txt'])
  expect(await search('A_B')).toEqual(['a_b.txt'])
  expect(await search('GRÖSSE')).toEqual([])
  expect(await search('GRÖßE')).toEqual(['Größe.txt'])
  expect(await search('\\')).toEqual([])
  expect(await search(' ')).toHaveLength(5)
})

test('an item says what the newest version is at, and why it needs attention', async () => {
  const { documentId, versionId } = await put('report.pdf')
  await set(versionId, `stage = 'parsing', pages = 10, pages_parsed = 4`)
  expect(await owner.api.documents.get.query({ id: documentId })).toMatchObject({
    name: 'report.pdf',
    role: 'owner',
    searchable: false,
    version: {
      number: 1,
      stage: 'parsing',
      pages: 10,
      pagesParsed: 4,
      bytes: 20,
      error: null,
      cancelling: false,
    },
  })
  await set(
    versionId,
    `stage = 'attention', error_code = 'FILE_TYPE_UNSUPPORTED', error_detail = '{"type": "EXE"}'`,
  )
  const next = await put('report-2.pdf', { document: documentId })
  const item = await owner.api.documents.get.query({ id: documentId })
  expect(item.version).toMatchObject({
    number: 2,
    id: next.versionId,
    stage: 'received',
    filename: 'report-2.pdf',
  })
  expect(item.name).toBe('report.pdf')
  expect(item.versions.map((version) => version.number)).toEqual([2, 1])
  expect(item.versions[1]?.error).toEqual({
    code: 'FILE_TYPE_UNSUPPORTED',
    message: 'Files of this kind can not be read: EXE. PDF, DOCX, HTML, Markdown, text and CSV can.',
    detail: { type: 'EXE' },
  })
  // A code that only a newer build knows does not break the list.
  await set(next.versionId, `stage = 'attention', error_code = 'FROM_THE_FUTURE'`)
  expect((await owner.api.documents.get.query({ id: documentId })).version.error?.code).toBe('INTERNAL')
})

test('renaming cleans the name, and changes nothing else', async () => {
  const { documentId } = await put('old.txt')
  await owner.api.documents.rename.mutate({ id: documentId, name: ' Q1/Q2\u202e plan ' })
  const item = await owner.api.documents.get.query({ id: documentId })
  expect([item.name, item.version.filename]).toEqual(['Q1/Q2 plan', 'old.txt'])
  await expect(owner.api.documents.rename.mutate({ id: documentId, name: '\u200b' })).rejects.toEqual(
    failure('INVALID_INPUT'),
  )
})

test('cancel: what nobody works on is cancelled at once, else whoever does is told', async () => {
  const listener = await library.pool.connect()
  const heard: string[] = []
  listener.on('notification', ({ payload }) => heard.push(payload ?? ''))
  await listener.query('LISTEN terrace_cancel')
  const waiting = await put('waiting.txt')
  await owner.api.documents.cancel.mutate({ id: waiting.documentId })
  expect((await owner.api.documents.get.query({ id: waiting.documentId })).version).toMatchObject({
    stage: 'cancelled',
    cancelling: false,
  })
  const running = await put('running.txt')
  await set(running.versionId, `stage = 'splitting'`)
  await owner.api.documents.cancel.mutate({ id: running.documentId })
  expect((await owner.api.documents.get.query({ id: running.documentId })).version).toMatchObject({
    stage: 'splitting',
    cancelling: true,
  })
  await expect(owner.api.documents.cancel.mutate({ id: waiting.documentId })).rejects.toEqual(
    failure('CONFLICT'),
  )
  await listener.query('SELECT 1')
  expect(heard).toEqual([waiting.versionId, running.versionId])
  listener.release(true)
})

test('cancel: what is found by searches and waits to be read again is taken back out of them', async () => {
  const { documentId, versionId } = await put('reread.txt')
  await publish(documentId, versionId, ['Found by its words.'])
  await set(versionId, `stage = 'attention', error_code = 'EMBEDDER_REFUSED_TEXT'`)
  await owner.api.documents.retry.mutate({ id: documentId })
  await owner.api.documents.cancel.mutate({ id: documentId })
  const version = async () => (await owner.api.documents.get.query({ id: documentId })).version
  expect(await version()).toMatchObject({ stage: 'received', cancelling: true })
  // What ingest does when it hears of it.
  await cancelVersion(library, versionId)
  expect(await version()).toMatchObject({ stage: 'cancelled', cancelling: false })
  const { rows } = await library.pool.query(
    `SELECT d.current_version_id AS current, (SELECT count(*)::int FROM passages WHERE version_id = $2) AS passages,
       (SELECT op FROM index_log WHERE document_key = d.key ORDER BY seq DESC LIMIT 1) AS op
     FROM documents d WHERE d.id = $1`,
    [documentId, versionId],
  )
  expect(rows).toEqual([{ current: null, passages: 0, op: 'retract' }])
})

test('retry: from attention or cancelled back to received, with a job and a clean slate', async () => {
  const { documentId, versionId } = await put('again.txt')
  await expect(owner.api.documents.retry.mutate({ id: documentId })).rejects.toEqual(failure('CONFLICT'))
  await set(
    versionId,
    `stage = 'attention', error_code = 'FILE_PARSER_CRASHED', error_detail = '{"crashes": 3}', crashes = 3,
     pages = 3, pages_parsed = 2, cancel_requested_at = now()`,
  )
  const before = (await library.waitingJobs('ingest')).length
  await owner.api.documents.retry.mutate({ id: documentId })
  expect(await library.waitingJobs('ingest')).toHaveLength(before + 1)
  const { rows } = await library.pool.query(
    'SELECT stage, error_code, error_detail, crashes, pages, pages_parsed, cancel_requested_at FROM document_versions WHERE id = $1',
    [versionId],
  )
  expect(rows).toEqual([
    {
      stage: 'received',
      error_code: null,
      error_detail: null,
      crashes: 0,
      pages: null,
      pages_parsed: 0,
      cancel_requested_at: null,
    },
  ])
})

test('pages: only of the current version, only of what lives, only for who may see it', async () => {
  const first = await put('book.md')
  expect(await owner.api.documents.pages.query({ id: first.documentId })).toMatchObject({
    versionId: first.versionId,
    current: false,
    pages: [],
  })
  await publish(first.documentId, first.versionId, ['page one 👍', 'page two'])
  const where = { id: first.documentId, versionId: first.versionId }
  expect(await owner.api.documents.pages.query({ id: first.documentId })).toEqual({
    versionId: first.versionId,
    readingId: 1,
    current: true,
    mediaType: 'text/markdown',
    pages: [
      { number: 1, length: 10 },
      { number: 2, length: 8 },
    ],
  })
  expect(await owner.api.documents.page.query({ ...where, number: 2 })).toEqual({
    number: 2,
    readingId: 1,
    text: 'page two',
  })
  await expect(owner.api.documents.page.query({ ...where, number: 3 })).rejects.toEqual(failure('NOT_FOUND'))
  await expect(stranger.api.documents.page.query({ ...where, number: 1 })).rejects.toEqual(
    failure('NOT_FOUND'),
  )
  await expect(stranger.api.documents.pages.query({ id: first.documentId })).rejects.toEqual(
    failure('NOT_FOUND'),
  )
  // Another document's version does not open this one's, nor the other way round.
  const foreign = await put('foreign.md')
  await publish(foreign.documentId, foreign.versionId, ['foreign'])
  await expect(
    owner.api.documents.page.query({ id: first.documentId, versionId: foreign.versionId, number: 1 }),
  ).rejects.toEqual(failure('NOT_FOUND'))
  await expect(
    owner.api.documents.pages.query({ id: first.documentId, versionId: foreign.versionId }),
  ).rejects.toEqual(failure('NOT_FOUND'))
  // Replaced: the old version's text is handed out no more.
  const second = await put('book.md', { document: first.documentId })
  await publish(first.documentId, second.versionId, ['new text'])
  await expect(owner.api.documents.page.query({ ...where, number: 1 })).rejects.toEqual(failure('NOT_FOUND'))
  expect(await owner.api.documents.pages.query(where)).toMatchObject({ current: false, pages: [] })
  // Deleted: nor is the new one's.
  await owner.api.documents.delete.mutate({ id: first.documentId })
  await expect(
    owner.api.documents.page.query({ id: first.documentId, versionId: second.versionId, number: 1 }),
  ).rejects.toEqual(failure('NOT_FOUND'))
})

test('deleting: gone at once, retracted in the log, purge sent; a.txt takes nothing else with it', async () => {
  const id = await library.collection(owner, 'Fruit')
  const files = ['a.txt', 'apple.txt', 'a.txt.bak', 'A.txt', 'banana.txt']
  const answers = await Promise.all(files.map((name) => upload(owner, id, name, `about ${name}`)))
  const [a] = answers
  for (const [i, answer] of answers.entries())
    await publish(answer.documentId, answer.versionId, [`text of ${files[i]}`])
  await owner.api.documents.delete.mutate({ id: a?.documentId ?? '' })
  await expect(owner.api.documents.get.query({ id: a?.documentId ?? '' })).rejects.toEqual(
    failure('NOT_FOUND'),
  )
  await expect(owner.api.documents.delete.mutate({ id: a?.documentId ?? '' })).rejects.toEqual(
    failure('NOT_FOUND'),
  )
  const { rows } = await library.pool.query(
    `SELECT l.op, d.id FROM index_log l JOIN documents d ON d.key = l.document_key ORDER BY l.seq DESC LIMIT 1`,
  )
  expect(rows).toEqual([{ op: 'retract', id: a?.documentId }])
  expect(await library.waitingJobs('purge')).toContainEqual({ documentId: a?.documentId })
  const left = await owner.api.documents.list.query({ collectionId: id })
  expect(left.items.map((item) => item.name).sort()).toEqual(files.slice(1).sort())
  for (const [i, answer] of answers.entries())
    if (i > 0)
      expect(
        await owner.api.documents.page.query({
          id: answer.documentId,
          versionId: answer.versionId,
          number: 1,
        }),
      ).toEqual({ number: 1, readingId: 1, text: `text of ${files[i]}` })
})

test('other people’s documents: every procedure says NOT_FOUND, viewers may look and nothing else', async () => {
  const { documentId: id, versionId } = await put('private.txt')
  const viewer = await library.server.person()
  await owner.api.collections.setMember.mutate({
    id: collection,
    userId: viewer.viewer.userId,
    role: 'viewer',
  })
  const changes = (person: Person) => [
    () => person.api.documents.rename.mutate({ id, name: 'x' }),
    () => person.api.documents.delete.mutate({ id }),
    () => person.api.documents.cancel.mutate({ id }),
    () => person.api.documents.retry.mutate({ id }),
    () => person.api.documents.resolveDuplicate.mutate({ id, choice: 'keep' }),
  ]
  for (const change of changes(stranger)) await expect(change()).rejects.toEqual(failure('NOT_FOUND'))
  for (const change of changes(viewer)) await expect(change()).rejects.toEqual(failure('FORBIDDEN'))
  for (const read of [
    () => stranger.api.documents.get.query({ id }),
    () => stranger.api.documents.list.query({ collectionId: collection }),
    () => stranger.api.documents.pages.query({ id, versionId }),
  ])
    await expect(read()).rejects.toEqual(failure('NOT_FOUND'))
  expect((await viewer.api.documents.get.query({ id })).role).toBe('viewer')
  await expect(library.server.anonymous.api.documents.get.query({ id })).rejects.toEqual(
    failure('SIGN_IN_REQUIRED'),
  )
})
