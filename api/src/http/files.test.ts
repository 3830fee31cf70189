import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm, truncate } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import net from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'
import { AppError } from '../errors.ts'

let library: TestLibrary
let owner: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

const original = (key: string) => key.startsWith('blobs/originals/')

async function versionRow(versionId: string) {
  const { rows } = await library.pool.query<{
    filename: string
    media_type: string
    bytes: string
    sha256: string
    storage_key: string
    stage: string
  }>('SELECT * FROM document_versions WHERE id = $1', [versionId])
  if (rows[0] === undefined) throw new Error('no such version')
  return rows[0]
}

async function documents(): Promise<number> {
  const { rows } = await library.pool.query('SELECT 1 FROM documents')
  return rows.length
}

test('an upload is stored, described by a row, handed to ingest, and comes back byte by byte', async () => {
  const bytes = randomBytes(700_000)
  const answer = await upload(owner, collection, 'Grüße.pdf', bytes)
  expect(answer).toMatchObject({ status: 201, stage: 'received' })
  expect(Object.keys(answer).sort()).toEqual(['documentId', 'stage', 'status', 'versionId'])
  const row = await versionRow(answer.versionId)
  expect(row).toMatchObject({
    filename: 'Grüße.pdf',
    media_type: 'application/pdf',
    bytes: '700000',
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
  expect(await library.waitingJobs('ingest')).toContainEqual({ versionId: answer.versionId })
  expect(await library.blobs.size(row.storage_key)).toBe(700_000)
  const got = await owner.fetch(`/files/${answer.versionId}`)
  expect(got.status).toBe(200)
  expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
  expect(Object.fromEntries(got.headers)).toMatchObject({
    'content-type': 'application/pdf',
    'content-length': '700000',
    'content-disposition': `attachment; filename="Gr__e.pdf"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringMatching(/^sandbox;/),
    'cache-control': 'private, no-store',
  })
})

test('a download gives the range that was asked for', async () => {
  const bytes = randomBytes(1_000)
  const { versionId } = await upload(owner, collection, 'range.txt', bytes)
  const get = async (headers: Record<string, string>, method = 'GET') => {
    const response = await owner.fetch(`/files/${versionId}`, { method, headers })
    return { response, body: Buffer.from(await response.arrayBuffer()) }
  }
  const part = await get({ range: 'bytes=10-19' })
  expect(part.response.status).toBe(206)
  expect(part.response.headers.get('content-range')).toBe('bytes 10-19/1000')
  expect(part.body.equals(bytes.subarray(10, 20))).toBe(true)
  expect((await get({ range: 'bytes=990-' })).body.equals(bytes.subarray(990))).toBe(true)
  expect((await get({ range: 'bytes=-5' })).body.equals(bytes.subarray(995))).toBe(true)
  const etag = part.response.headers.get('etag') ?? ''
  expect((await get({ range: 'bytes=0-0', 'if-range': etag })).response.status).toBe(206)
  expect((await get({ range: 'bytes=0-0', 'if-range': '"other"' })).response.status).toBe(200)
  expect((await get({ range: 'bytes=0-1,5-6' })).response.status).toBe(200)
  const beyond = await get({ range: 'bytes=1000-' })
  expect(beyond.response.status).toBe(416)
  expect(beyond.response.headers.get('content-range')).toBe('bytes */1000')
  const head = await get({}, 'HEAD')
  expect(head.response.headers.get('content-length')).toBe('1000')
  expect(head.body).toHaveLength(0)
})

test.each([
  ['../../../etc/passwd', 'passwd'],
  ['..\\..\\boot.ini', 'boot.ini'],
  ['nul\0byte.txt', 'nulbyte.txt'],
  ['\u202egnp.exe', 'gnp.exe'],
  [`${'n'.repeat(300)}.txt`, `${'n'.repeat(251)}.txt`],
  ['', 'unnamed'],
  ['...', 'unnamed'],
  ['"; filename=evil.html\r\nset-cookie: a=b', '"; filename=evil.html set-cookie: a=b'],
])('the name %j is kept as %j and never used as a path', async (sent, kept) => {
  const answer = await upload(owner, collection, sent, randomBytes(50))
  expect(answer.status).toBe(201)
  const row = await versionRow(answer.versionId)
  expect(row.filename).toBe(kept)
  expect(row.storage_key).toMatch(/^originals\/[0-9a-f]{2}\/[0-9a-f-]{36}$/)
  const got = await owner.fetch(`/files/${answer.versionId}`)
  expect(got.status).toBe(200)
  expect(got.headers.get('content-disposition')).toMatch(
    /^attachment; filename="[^"\\]*"; filename\*=UTF-8''[^\s;"]*$/,
  )
  expect(got.headers.get('set-cookie')).toBeNull()
})

test('bytes in a name that are no UTF-8 are shown as such', async () => {
  const response = await owner.fetch(`/files?collection=${collection}&name=caf%E9%ff.txt`, {
    method: 'PUT',
    body: randomBytes(20),
  })
  expect(response.status).toBe(201)
  const { versionId } = (await response.json()) as { versionId: string }
  expect((await versionRow(versionId)).filename).toBe('caf\ufffd\ufffd.txt')
})

test.each([
  ['no bytes', Buffer.alloc(0)],
  ['a stream of no bytes', new ReadableStream({ start: (controller) => controller.close() })],
  ['no body', undefined],
])('%s: FILE_EMPTY, and nothing is kept', async (_, body) => {
  const [before, files] = [await documents(), await library.stored()]
  expect(await upload(owner, collection, 'empty.txt', body)).toMatchObject({
    status: 422,
    code: 'FILE_EMPTY',
  })
  expect(await documents()).toBe(before)
  expect(await library.stored()).toEqual(files)
})

test.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'image/png'])(
  'a body of type %s is a file like any other',
  async (type) => {
    const query = new URLSearchParams({ collection, name: 'a.txt', duplicate: 'keep' })
    const response = await owner.fetch(`/files?${query}`, {
      method: 'PUT',
      body: '{"not": "parsed',
      headers: { 'content-type': type },
    })
    expect(response.status).toBe(201)
  },
)

test('10 uploads at once are all accepted, each with its row, its blob and its job', async () => {
  const files = Array.from({ length: 10 }, () => randomBytes(200_000))
  const answers = await Promise.all(files.map((file, i) => upload(owner, collection, `ten-${i}.txt`, file)))
  expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(201))
  const jobs = await library.waitingJobs('ingest')
  for (const [i, answer] of answers.entries()) {
    const row = await versionRow(answer.versionId)
    expect(row.sha256).toBe(
      createHash('sha256')
        .update(files[i] ?? '')
        .digest('hex'),
    )
    expect(await library.blobs.size(row.storage_key)).toBe(200_000)
    expect(jobs).toContainEqual({ versionId: answer.versionId })
  }
})

test('what is uploaded together and by whom goes along with the job, which decides when it is its turn', async () => {
  const { versionId } = await upload(owner, collection, 'one.txt', randomBytes(10), { drop: 'folder.1' })
  expect(await library.waitingJobs('ingest')).toContainEqual({ versionId, drop: 'folder.1' })
  const { rows } = await library.pool.query<{ flow: string }>(
    "SELECT group_id AS flow FROM pgboss.job WHERE data->>'versionId' = $1",
    [versionId],
  )
  expect(rows[0]?.flow).toContain(owner.viewer.userId)
  for (const drop of ['x'.repeat(65), '%00', '%0A']) {
    const query = `collection=${collection}&name=a&drop=${drop}`
    const refused = await owner.fetch(`/files?${query}`, { method: 'PUT', body: 'text' })
    expect(refused.status).toBe(400)
  }
})

test('the same bytes in parallel: exactly one is worked on, the others ask', async () => {
  const bytes = randomBytes(10_000)
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => upload(owner, collection, `same-${i}.txt`, bytes)),
  )
  const [first, ...more] = answers.filter((answer) => answer.stage === 'received')
  expect(more).toEqual([])
  const asking = answers.filter((answer) => answer !== first)
  expect(asking.map((answer) => answer.stage)).toEqual(Array(7).fill('attention'))
  expect(asking.every((answer) => answer.duplicateOf?.documentId === first?.documentId)).toBe(true)
  const jobs = await library.waitingJobs('ingest')
  for (const answer of answers)
    expect(jobs.some((job) => (job as { versionId: string }).versionId === answer.versionId)).toBe(
      answer === first,
    )
  // The bytes are kept once.
  const keys = await Promise.all(
    answers.map(async (answer) => (await versionRow(answer.versionId)).storage_key),
  )
  expect(new Set(keys).size).toBe(1)
})

test('nobody uploads or downloads without being let in', async () => {
  const { versionId, documentId } = await upload(owner, collection, 'secret.txt', randomBytes(100))
  const stranger = await library.server.person({ role: 'owner' })
  const viewer = await library.server.person()
  await owner.api.collections.setMember.mutate({
    id: collection,
    userId: viewer.viewer.userId,
    role: 'viewer',
  })
  const before = await documents()
  expect(await upload(library.server.anonymous, collection, 'a', 'x')).toMatchObject({ status: 401 })
  expect(await upload(stranger, collection, 'a', 'x')).toMatchObject({ status: 404, code: 'NOT_FOUND' })
  expect(await upload(viewer, collection, 'a', 'x')).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  const own = await library.collection(stranger)
  expect(await upload(stranger, own, 'a', 'x', { document: documentId })).toMatchObject({ status: 404 })
  const ours = await library.collection(owner)
  expect(await upload(owner, ours, 'a', 'x', { document: documentId })).toMatchObject({ status: 404 })
  expect(await upload(owner, 'no-uuid', 'a', 'x')).toMatchObject({ status: 400, code: 'INVALID_INPUT' })
  expect(await upload(owner, collection, 'a', 'x', { duplicate: 'maybe' })).toMatchObject({ status: 400 })
  expect(await documents()).toBe(before)
  const get = async (who: Pick<Person, 'fetch'>, id = versionId) => (await who.fetch(`/files/${id}`)).status
  expect(await get(library.server.anonymous)).toBe(401)
  expect(await get(stranger)).toBe(404)
  expect(await get(viewer)).toBe(200)
  expect(await get(owner, 'x')).toBe(404)
  expect(await get(owner, documentId)).toBe(404)
  await owner.api.collections.removeMember.mutate({ id: collection, userId: viewer.viewer.userId })
  expect(await get(viewer)).toBe(404)
  await owner.api.documents.delete.mutate({ id: documentId })
  expect(await get(owner)).toBe(404)
})

test('a request from another site is refused before its body is read', async () => {
  const response = await owner.fetch(`/files?${new URLSearchParams({ collection, name: 'a' })}`, {
    method: 'PUT',
    body: 'x',
    headers: { origin: 'https://evil.example' },
  })
  expect(response.status).toBe(403)
})

test('viewers get the version that is searched, editors every version', async () => {
  const first = await upload(owner, collection, 'v.txt', randomBytes(10))
  const second = await upload(owner, collection, 'v.txt', randomBytes(10), { document: first.documentId })
  expect(second).toMatchObject({ status: 201, documentId: first.documentId })
  const viewer = await library.server.person()
  await owner.api.collections.setMember.mutate({
    id: collection,
    userId: viewer.viewer.userId,
    role: 'viewer',
  })
  const status = async (who: Person, id: string) => (await who.fetch(`/files/${id}`)).status
  expect([await status(viewer, first.versionId), await status(viewer, second.versionId)]).toEqual([404, 200])
  await library.pool.query('UPDATE documents SET current_version_id = $1 WHERE id = $2', [
    first.versionId,
    first.documentId,
  ])
  expect([await status(viewer, first.versionId), await status(viewer, second.versionId)]).toEqual([200, 404])
  expect([await status(owner, first.versionId), await status(owner, second.versionId)]).toEqual([200, 200])
})

test('an original that is gone from the storage, or cut, is an error and never half a file', async () => {
  const { versionId } = await upload(owner, collection, 'cut.txt', randomBytes(100))
  await using stored = await library.blobs.localPath((await versionRow(versionId)).storage_key)
  const file = stored.path
  await truncate(file, 50)
  for (const damage of ['cut', 'gone']) {
    if (damage === 'gone') await rm(file)
    for (const headers of [{}, { range: 'bytes=0-9' }]) {
      const response = await owner.fetch(`/files/${versionId}`, { headers })
      expect(response.headers.get('content-type')).toContain('application/json')
      expect(await response.json()).toMatchObject({ code: 'FILE_ORIGINAL_MISSING' })
    }
  }
  await library.pool.query('DELETE FROM document_versions WHERE id = $1', [versionId])
})

test('a client that leaves a download ends the reading of it', async () => {
  const { versionId } = await upload(owner, collection, 'long.txt', randomBytes(100_000))
  const original = new Readable({ read() {} })
  original.push(randomBytes(10))
  const get = vi.spyOn(library.blobs, 'get').mockResolvedValue(original)
  try {
    const leaving = new AbortController()
    const response = await owner.fetch(`/files/${versionId}`, { signal: leaving.signal })
    expect(response.status).toBe(200)
    leaving.abort()
    await expect.poll(() => original.destroyed).toBe(true)
  } finally {
    get.mockRestore()
  }
})

test('a storage that does not answer is said to be away, not to have lost the file', async () => {
  const { versionId } = await upload(owner, collection, 'away.txt', randomBytes(100))
  const away = new AppError('UNAVAILABLE', { reason: 'the storage does not answer' })
  const size = vi.spyOn(library.blobs, 'size').mockRejectedValue(away)
  try {
    const response = await owner.fetch(`/files/${versionId}`)
    expect([response.status, await response.json()]).toMatchObject([503, { code: 'UNAVAILABLE' }])
  } finally {
    size.mockRestore()
  }
})

/** A raw upload whose body the test writes piece by piece. */
function rawUpload(
  headers: Record<string, string>,
  path = `/files?${new URLSearchParams({ collection, name: 'raw.txt' })}`,
) {
  const { hostname, port } = new URL(library.server.url)
  return httpRequest({
    method: 'PUT',
    hostname,
    port,
    path,
    headers: { cookie: owner.cookie, origin: library.server.config.publicUrl, ...headers },
    agent: false,
  })
}

async function answerOf(request: ReturnType<typeof rawUpload>): Promise<{ status: number; body: string }> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return { status: response.statusCode ?? 0, body }
}

test('1 GB is refused by its announced length, before a byte of it is read', async () => {
  const files = await library.stored()
  const request = rawUpload({ 'content-length': String(1024 ** 3) })
  request.on('error', () => {})
  request.flushHeaders()
  const answer = await answerOf(request)
  expect(answer.status).toBe(413)
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'TOO_LARGE', detail: { limit: '200 MB' } })
  request.destroy()
  expect(await library.stored()).toEqual(files)
})

test('a sender that goes away in the middle leaves nothing', async () => {
  const [before, files] = [await documents(), await library.stored()]
  for (const headers of [{ 'content-length': '1000000' }, { 'transfer-encoding': 'chunked' }] as Record<
    string,
    string
  >[]) {
    const request = rawUpload(headers)
    request.on('error', () => {})
    request.write(randomBytes(100_000))
    while ((await library.stored()).length === files.length)
      await new Promise((resolve) => setTimeout(resolve, 5))
    request.destroy()
    while ((await library.stored()).length > files.length)
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(await documents()).toBe(before)
  const { rows } = await library.pool.query('SELECT 1 FROM pending_blobs')
  expect(rows).toEqual([])
  // The slots are given back as well.
  expect((await upload(owner, collection, 'after.txt', randomBytes(10))).status).toBe(201)
})

test('a broken chunked body is no file', async () => {
  const before = await documents()
  const { hostname, port } = new URL(library.server.url)
  const socket = net.connect(Number(port), hostname).resume()
  socket.write(
    `PUT /files?collection=${collection}&name=x HTTP/1.1\r\nhost: x\r\ncookie: ${owner.cookie}\r\n` +
      `origin: ${library.server.config.publicUrl}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n`,
  )
  await once(socket, 'close')
  expect(await documents()).toBe(before)
})

test('no original and no pending name is left of all that was refused', async () => {
  const { rows } = await library.pool.query<{ storage_key: string }>(
    'SELECT DISTINCT storage_key FROM document_versions',
  )
  const named = rows.map((row) => `blobs/${row.storage_key}`).sort()
  expect((await library.stored()).filter(original).sort()).toEqual(named)
  expect((await library.stored()).filter((key) => key.startsWith('incoming/'))).toEqual([])
  // A vanished sender's name is taken back a moment after the connection is closed.
  const pending = async () => (await library.pool.query('SELECT 1 FROM pending_blobs')).rows
  await expect.poll(pending, { timeout: 20_000 }).toEqual([])
})
