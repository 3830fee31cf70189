// The seed's faults, side by side: what the program that Terrace replaces was measured to do wrong, one test for each
// fault and named after it, against the API and ingest processes as they really run. Search goes by words here; the
// index's vectors are there all the same.
import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { transaction } from '../src/database/pool.ts'
import { append } from '../src/index/log.ts'
import { FIRST_READING } from '../src/ingest/reading.ts'
import { appRouter } from '../src/routers/router.ts'
import { type UploadAnswer, upload } from './library.ts'
import { type Product, startProduct } from './product.ts'
import { docx, pdf } from './sample-files.ts'
import type { Person } from './server.ts'

const SLOW = 240_000

/** Waits until a document has settled, and gives its newest version. */
async function settled(person: Person, documentId: string) {
  for (;;) {
    const { version } = await person.api.documents.get.query({ id: documentId })
    if (['searchable', 'words', 'attention', 'cancelled'].includes(version.stage)) return version
    await sleep(50)
  }
}

async function search(person: Person, query: string, collection?: string) {
  const result = await person.api.search.passages.query({
    query,
    ...(collection === undefined ? {} : { collectionIds: [collection] }),
  })
  return result.passages
}

/** Searches until it is found: the index follows the database a moment later. */
async function found(person: Person, query: string, collection: string) {
  for (;;) {
    const passages = await search(person, query, collection)
    if (passages.length > 0) return passages
    await sleep(30)
  }
}

/** A word that stands nowhere else. */
const word = () =>
  `x${randomUUID()
    .replaceAll('-', '')
    .replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] ?? '')}`

describe('the seed’s faults, side by side', () => {
  let product: Product
  let owner: Person

  beforeAll(async () => {
    product = await startProduct()
    owner = await product.person({ role: 'owner' })
  }, SLOW)
  afterAll(() => product[Symbol.asyncDispose]())

  const collection = async (name = 'Things') => (await owner.api.collections.create.mutate({ name })).id

  /** Lets both processes die without a word, and starts them again. */
  async function killAll(): Promise<void> {
    await Promise.all([product.api.kill('SIGKILL'), product.ingest.kill('SIGKILL')])
    await Promise.all([product.startApi(), product.startIngest()])
  }

  test(
    '10 uploads at once and a restart lose nothing (the seed lost 5 of 10)',
    async () => {
      const id = await collection()
      const words = Array.from({ length: 10 }, word)
      const answers = await Promise.all(
        words.map((each, i) => upload(owner, id, `file-${i}.txt`, `The word of this file is ${each}.`)),
      )
      expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(201))
      await killAll()
      const { items } = await owner.api.documents.list.query({ collectionId: id })
      expect(items.map((item) => item.id).sort()).toEqual(answers.map((answer) => answer.documentId).sort())
      for (const [i, each] of words.entries()) {
        const passages = await found(owner, each, id)
        expect(passages.map((passage) => passage.documentId)).toEqual([answers[i]?.documentId])
      }
      const { rows } = await product.db.pool.query(
        `SELECT op, count(*)::int FROM index_log l JOIN documents d ON d.key = l.document_key
         WHERE d.collection_id = $1 AND op = 'publish-words' GROUP BY d.id, op`,
        [id],
      )
      // Each became searchable exactly once.
      expect(rows).toEqual(Array(10).fill({ op: 'publish-words', count: 1 }))
    },
    SLOW,
  )

  test(
    'kill -9 while saving 100k passages (the seed was left with 1, and still answered)',
    async () => {
      const id = await collection('Large')
      const others = (await indexed()).passages
      const all = { passages: others + 100_000, vectors: 100_000 }
      await product.api.kill('SIGTERM')
      await insertPassages(id, 100_000)
      const dir = product.config.indexDir
      const files = () => readdir(dir, { recursive: true })
      for (let round = 0; round < 3; round++) {
        const before = await files()
        await Promise.all([product.startApi(), searchesWhileStarting(owner)])
        expect(await indexed()).toEqual(all)
        for (const n of [1, 50_000, 100_000])
          expect((await search(owner, `n${n}`, id)).map((hit) => hit.text)).toEqual([textOf(n)])
        // While vectors are written out, then at the beginning of a checkpoint, then a little into one.
        const known = new Set(round === 0 ? before : await files())
        const isComplete = (name: string) => /^checkpoint-\d+\.json$/.test(name) && !before.includes(name)
        const begun = (name: string) => (name.startsWith('making/') && !known.has(name)) || isComplete(name)
        while (!(await files()).some(begun)) await sleep(1)
        await sleep(round * 10)
        await product.api.kill('SIGKILL')
        // Once it is whole, the next round has none to write.
        if ((await files()).some(isComplete)) await rm(dir, { recursive: true })
      }
      await product.startApi()
      expect(await indexed()).toEqual(all)
      await owner.api.collections.delete.mutate({ id })
      expect(await search(owner, 'n1')).toEqual([])
    },
    SLOW,
  )

  /** One published document, its passages and vectors as ingest writes them. */
  async function insertPassages(collectionId: string, count: number): Promise<void> {
    const { pool } = product.db
    await transaction(pool, async (client) => {
      const { rows: generations } = await client.query<{ id: number }>(
        `INSERT INTO generations (digest, key, dimensions, state) VALUES ('seed-faults', '{}', 8, 'active') RETURNING id`,
      )
      const { rows } = await client.query<{
        document: string
        version: string
        key: number
        collection: number
      }>(
        `WITH d AS (INSERT INTO documents (collection_id, name) VALUES ($1, 'large.txt') RETURNING id, key),
              v AS (INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage, passages, passages_embedded)
                    SELECT id, 1, 'large.txt', 'text/plain', 1, 'seed-faults', 'seed-faults', 'searchable', $2, $2 FROM d RETURNING id)
         SELECT d.id AS document, v.id AS version, d.key, c.key AS collection FROM d, v, collections c WHERE c.id = $1`,
        [collectionId, count],
      )
      const row = rows[0]
      if (row === undefined) throw new Error('not inserted')
      const numbers = Array.from({ length: count }, (_, i) => i + 1)
      await client.query(
        `INSERT INTO passages (version_id, ordinal, page, char_start, char_end, text, tokens)
         SELECT $1, n - 1, 1, 0, length(t), t, 5 FROM unnest($2::int[], $3::text[]) AS u(n, t)`,
        [row.version, numbers, numbers.map(textOf)],
      )
      await client.query(
        `INSERT INTO passage_vectors (passage_id, generation_id, vector)
         SELECT id, $2, decode(repeat('0000803e', 7) || '0000' || lpad(to_hex((16000 + ordinal % 200)), 4, '0'), 'hex')
         FROM passages WHERE version_id = $1`,
        [row.version, generations[0]?.id],
      )
      await client.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [
        row.document,
        row.version,
      ])
      const place = { collectionKey: row.collection, documentKey: row.key, versionId: row.version }
      await append(client, { op: 'publish-words', ...place, readingId: FIRST_READING })
      await append(client, { op: 'publish-vectors', ...place, generationId: generations[0]?.id ?? 0 })
    })
    // As autovacuum does soon after so much was written.
    await pool.query('ANALYZE passages, passage_vectors')
  }

  const textOf = (n: number) => `The passage n${n} speaks of nothing else.`

  async function indexed(): Promise<{ passages: number; vectors: number }> {
    const ready = (await (await fetch(`${product.url}/readyz`)).json()) as {
      index: { passages: number; vectors: number }
    }
    return { passages: ready.index.passages, vectors: ready.index.vectors }
  }

  /** Until one succeeds. Whatever is answered before the index is whole is an error, never less than everything. */
  async function searchesWhileStarting(person: Person): Promise<void> {
    for (;;) {
      const passages = await search(person, 'n77777').catch(() => null)
      if (passages === null) {
        await sleep(20)
        continue
      }
      expect(passages.map((hit) => hit.text)).toEqual([textOf(77_777)])
      return
    }
  }

  test(
    'hostile or truncated index files (the seed unpickled whatever lay there)',
    async () => {
      const id = await collection('Indexed')
      const secret = word()
      const { documentId } = await upload(owner, id, 'kept.txt', `Kept in the database: ${secret}.`)
      await settled(owner, documentId)
      await found(owner, secret, id)
      const dir = product.config.indexDir
      const damages: [string, (file: string) => Promise<void>][] = [
        ['cut short', async (file) => truncate(file, Math.floor((await readFile(file)).length / 2))],
        ['emptied', (file) => truncate(file, 0)],
        [
          'one bit flipped',
          async (file) => {
            const bytes = await readFile(file)
            const at = Math.floor(bytes.length / 2)
            bytes[at] = (bytes[at] ?? 0) ^ 1
            await writeFile(file, bytes)
          },
        ],
        // A pickle that would run a command, and a manifest that points out of the folder.
        ['replaced', (file) => writeFile(file, "cos\nsystem\n(S'touch /tmp/terrace-was-here'\ntR.")],
        [
          'hostile JSON',
          (file) =>
            writeFile(
              file,
              JSON.stringify({ format: 1, state: { name: '../../../etc/passwd', bytes: 1e18 } }),
            ),
        ],
      ]
      for (const [, damage] of damages) {
        await product.api.kill('SIGTERM')
        const files = await readdir(dir, { withFileTypes: true, recursive: true })
        expect(files.some((file) => file.isFile())).toBe(true)
        for (const file of files) if (file.isFile()) await damage(path.join(file.parentPath, file.name))
        await product.startApi()
        expect((await search(owner, secret, id)).map((hit) => hit.documentId)).toEqual([documentId])
      }
      await expect(readFile('/tmp/terrace-was-here')).rejects.toThrow('ENOENT')
    },
    SLOW,
  )

  test(
    'deleted text never returned (the seed returned it in 47 % of searches)',
    async () => {
      const id = await collection('Deleted')
      const common = word()
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          upload(owner, id, `d-${i}.txt`, `Everybody says ${common}, file ${i} too.`),
        ),
      )
      for (const answer of answers) await settled(owner, answer.documentId)
      while ((await search(owner, common, id)).length < 10) await sleep(30)
      const gone = new Set<string>()
      let searching = true
      let searches = 0
      const searchers = Array.from({ length: 4 }, async () => {
        while (searching) {
          const goneBefore = [...gone]
          const hits = await search(owner, common, id)
          searches += 1
          for (const hit of hits) expect(goneBefore).not.toContain(hit.documentId)
        }
      })
      for (const answer of answers.slice(0, 8)) {
        await owner.api.documents.delete.mutate({ id: answer.documentId })
        gone.add(answer.documentId)
      }
      searching = false
      await Promise.all(searchers)
      expect(searches).toBeGreaterThan(4)
      // Nor as a page, a download, or after a restart of everything.
      const [first] = answers
      expect((await owner.fetch(`/files/${first?.versionId}`)).status).toBe(404)
      await expect(
        owner.api.documents.page.query({
          id: first?.documentId ?? '',
          versionId: first?.versionId ?? '',
          number: 1,
        }),
      ).rejects.toThrow('does not exist')
      await killAll()
      const left = await search(owner, common, id)
      expect(left.map((hit) => hit.documentId).sort()).toEqual(
        answers
          .slice(8)
          .map((answer) => answer.documentId)
          .sort(),
      )
    },
    SLOW,
  )

  test(
    'deleting a.txt touches nothing else (the seed removed apple.txt with it)',
    async () => {
      const id = await collection('Fruit')
      const names = ['a.txt', 'apple.txt', 'a.txt.md', 'banana.txt', 'A.TXT']
      const words = names.map(word)
      const answers = await Promise.all(
        names.map((name, i) => upload(owner, id, name, `In this file stands ${words[i]}.`)),
      )
      for (const [i] of names.entries()) await found(owner, words[i] ?? '', id)
      await owner.api.documents.delete.mutate({ id: answers[0]?.documentId ?? '' })
      expect(await search(owner, words[0] ?? '', id)).toEqual([])
      for (const [i, answer] of answers.entries()) {
        if (i === 0) continue
        expect((await search(owner, words[i] ?? '', id)).map((hit) => hit.documentName)).toEqual([names[i]])
        const original = await owner.fetch(`/files/${answer.versionId}`)
        expect(await original.text()).toBe(`In this file stands ${words[i]}.`)
      }
    },
    SLOW,
  )

  test('everything needs sign-in (every door of the seed was open)', async () => {
    const open = new Set<string>()
    for (const [name, procedure] of Object.entries(appRouter._def.procedures)) {
      const { _def } = procedure as unknown as { _def: { meta?: unknown; type: string } }
      const { meta, type } = _def as { meta?: { access: unknown }; type: string }
      if (meta?.access === 'anyone') {
        open.add(name)
        continue
      }
      const response = await product.anonymous.fetch(`/trpc/${name}`, {
        method: type === 'mutation' ? 'POST' : 'GET',
        headers: { 'content-type': 'application/json' },
        ...(type === 'mutation' ? { body: '{}' } : {}),
      })
      expect([name, await response.text()]).toEqual([name, expect.stringContaining('SIGN_IN_REQUIRED')])
    }
    // What a person needs before there is an account or a session, and nothing else.
    expect([...open].sort()).toEqual([
      'people.acceptInvitation',
      'people.invitation',
      'people.me',
      'setup.createOwner',
      'setup.status',
    ])
    const id = await collection()
    const { versionId } = await upload(owner, id, 'closed.txt', 'closed')
    expect((await upload(product.anonymous, id, 'x.txt', 'x')).status).toBe(401)
    expect((await product.anonymous.fetch(`/files/${versionId}`)).status).toBe(401)
    for (const path of ['/', '/admin', '/files', '/storage', '/metrics', '/debug', '/.env'])
      expect([path, (await product.anonymous.fetch(path)).status]).toEqual([path, 404])
  })

  test('no password, path or stack in any reply or log', async () => {
    const password = `Pass-${word()}`
    const question = word()
    const replies: string[] = []
    const keep = async (response: Promise<Response>) => {
      const { status, headers, text } = await response.then(async (each) => ({
        status: each.status,
        headers: JSON.stringify([...each.headers]),
        text: await each.text(),
      }))
      replies.push(headers, text)
      return status
    }
    const json = { 'content-type': 'application/json' }
    const post = (path: string, body: string) =>
      keep(product.anonymous.fetch(path, { method: 'POST', headers: json, body }))
    const id = await collection()
    expect(await post('/auth/sign-in/email', JSON.stringify({ email: 'nobody@example.org', password }))).toBe(
      401,
    )
    expect(
      await post('/auth/sign-in/email', `{"email": "broken", "password": "${password}"`),
    ).toBeGreaterThanOrEqual(400)
    await post(
      '/trpc/setup.createOwner',
      JSON.stringify({ json: { token: 'x', name: 'x', email: 'x', password } }),
    )
    await post('/trpc/people.acceptInvitation', JSON.stringify({ json: { id: 'none', name: 'x', password } }))
    for (const path of [
      '/trpc/documents.get?input=%7B',
      `/trpc/search.passages?input=${encodeURIComponent(JSON.stringify({ json: { query: question, limit: 'many' } }))}`,
      `/trpc/search.passages?input=${encodeURIComponent(JSON.stringify({ json: { query: question } }))}`,
      '/trpc/no.such',
      '/files/../../../etc/passwd',
      '/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    ])
      await keep(owner.fetch(path))
    await keep(owner.fetch(`/files?collection=${id}&name=a.pdf`, { method: 'PUT', body: 'no PDF at all' }))
    // An original that has gone from the disk: the one case in which a path would be at hand.
    const { versionId } = await upload(owner, id, 'lost.txt', `lost ${word()}`)
    const { rows } = await product.db.pool.query<{ storage_key: string }>(
      'SELECT storage_key FROM document_versions WHERE id = $1',
      [versionId],
    )
    await writeFile(path.join(product.home, 'storage/blobs', rows[0]?.storage_key ?? ''), '')
    await keep(owner.fetch(`/files/${versionId}`))
    const output = product.output()
    expect(output).toContain('"msg":"request"')
    for (const text of [...replies, output]) {
      for (const secret of [
        password,
        question,
        product.home,
        product.config.authSecret,
        `:${new URL(product.config.databaseUrl).password}@`,
        path.resolve(import.meta.dirname, '../..'),
        'node_modules',
        owner.cookie.split('=')[1] ?? owner.cookie,
      ])
        expect(text.includes(secret) ? `${secret} in ${text}` : '').toBe('')
      expect(text).not.toMatch(/\bat (?:async )?[\w.<>]+ \(|\bat file:\/\//)
    }
  })

  test(
    'malformed, locked and textless PDFs and Latin-1 text: each with its reason, or read',
    async () => {
      const id = await collection('Bad files')
      const good = pdf([['A page with text that is long enough to be read as a sentence.']])
      const cases: [string, Buffer, string][] = [
        ['cut.pdf', good.subarray(0, 300), 'FILE_DAMAGED'],
        [
          'rubbish.pdf',
          Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(2_000, 0x80)]),
          'FILE_DAMAGED',
        ],
        ['text.pdf', Buffer.from('This is no PDF, whatever its name says.'), 'FILE_TYPE_MISMATCH'],
        ['locked.pdf', pdf([['secret']], { locked: true }), 'FILE_ENCRYPTED'],
        ['scan.pdf', pdf([[], []]), 'FILE_NO_TEXT'],
      ]
      const answers = await Promise.all(cases.map(([name, bytes]) => upload(owner, id, name, bytes)))
      for (const [i, [name, , code]] of cases.entries()) {
        const version = await settled(owner, answers[i]?.documentId ?? '')
        expect([name, version.stage, version.error?.code]).toEqual([name, 'attention', code])
        expect(version.error?.message.length).toBeGreaterThan(15)
      }
      const [latin, right] = [word(), word()]
      await upload(owner, id, 'latin1.txt', Buffer.from(`Müller aß Äpfel. Größe: ${latin}.`, 'latin1'))
      await upload(owner, id, 'good.pdf', pdf([['Nothing here.'], [`The second page says ${right}.`]]))
      expect((await found(owner, latin, id))[0]?.text).toContain('Müller aß Äpfel.')
      expect((await found(owner, right, id))[0]).toMatchObject({ page: 2, documentName: 'good.pdf' })
    },
    SLOW,
  )

  test(
    'DOCX works (the seed offered it and failed)',
    async () => {
      const id = await collection('Word')
      const inside = word()
      const { documentId } = await upload(
        owner,
        id,
        'letter.docx',
        docx(['Dear reader,', `the agreed word is ${inside} & nothing else.`]),
      )
      expect((await settled(owner, documentId)).error).toBeNull()
      expect((await found(owner, inside, id))[0]?.text).toContain(
        `the agreed word is ${inside} & nothing else.`,
      )
    },
    SLOW,
  )

  test(
    'thresholds are honoured (the seed ignored its own)',
    async () => {
      const id = await collection('Thresholds')
      const common = word()
      const answers: UploadAnswer[] = []
      for (let i = 0; i < 6; i++)
        answers.push(
          await upload(owner, id, `t-${i}.txt`, `Our rule number ${i} about ${common} is to be kept.`),
        )
      for (const answer of answers) await settled(owner, answer.documentId)
      while ((await search(owner, common, id)).length < 6) await sleep(30)
      // As many as were asked for, and no more.
      for (const limit of [1, 3, 6]) {
        const { passages } = await owner.api.search.passages.query({
          query: common,
          collectionIds: [id],
          limit,
        })
        expect(passages).toHaveLength(limit)
      }
      // Below what counts as relevant nothing is quoted, and that is said.
      const ask = async (text: string) => {
        const chat = await owner.api.chats.create.mutate({ collectionIds: [id], model: 'passages' })
        await owner.api.chats.ask.mutate({ chatId: chat.id, text, requestId: randomUUID() })
        for (;;) {
          const answer = (await owner.api.chats.get.query({ id: chat.id })).messages.at(-1)
          if (answer?.attempt?.state === 'done') return answer
          if (answer?.attempt?.state === 'failed') throw new Error(`failed: ${answer.attempt.error?.code}`)
          await sleep(30)
        }
      }
      const relevant = await ask(`What is the rule about ${common}?`)
      expect(relevant.citations.length).toBeGreaterThan(0)
      expect(relevant.citations[0]?.quote).toContain(common)
      const irrelevant = await ask('How tall is the Eiffel tower in Paris?')
      expect(irrelevant.citations).toEqual([])
    },
    SLOW,
  )
})
