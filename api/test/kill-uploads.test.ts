// kill -9 of the API and of the index process in the middle of 50 uploads, as they really run. (Of ingest, its
// parsers and PostgreSQL: src/ingest/process.test.ts.) Search goes by words here; each file has a word of its own.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type UploadAnswer, upload } from './library.ts'
import { type Product, startProduct } from './product.ts'
import { docx, pdf } from './sample-files.ts'
import type { Person } from './server.ts'

const FILES = 50
const SLOW = 240_000

/** Letters only: one word for the analyser, and no stem of another. */
const word = (i: number) => `zq${String.fromCharCode(97 + Math.floor(i / 10), 107 + (i % 10))}xv`

const bodyOf = (i: number) => {
  const text = `The word of this file is ${word(i)}. It came when something died.`
  if (i % 10 === 3) return { name: `file ${i}.docx`, body: docx([text]) }
  if (i % 10 === 7) return { name: `file ${i}.pdf`, body: pdf([[text]]) }
  return { name: `file ${i}.txt`, body: Buffer.from(text) }
}

/** As a person does whose upload failed: once more, and what had arrived after all is not taken twice. */
async function untilAccepted(person: Person, collection: string, i: number): Promise<UploadAnswer> {
  const { name, body } = bodyOf(i)
  let last: unknown
  for (let tries = 0; tries < 400; tries++) {
    // Where the other end is gone, `fetch` or the reading of its answer throws.
    const again: Record<string, string> = tries === 0 ? {} : { duplicate: 'skip' }
    const answer = await upload(person, collection, name, body, again).catch((error: unknown) => {
      last = error
    })
    if (answer !== undefined && answer.status < 300) return answer
    // 503: it is starting.
    if (answer !== undefined && answer.status !== 503) throw new Error(`${answer.status} ${answer.code}`)
    await sleep(50)
  }
  throw new Error(`never accepted: ${name}`, { cause: last })
}

function indexProcess(of: number): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      if (Number(parent) !== of) continue
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('index/process.ts')) return Number(pid)
    } catch {
      // It ended while it was looked at.
    }
  throw new Error('the API has no index process')
}

test.each([
  ['the API', (product: Product) => product.api.kill('SIGKILL').then(() => product.startApi())],
  [
    'the index process',
    async (product: Product) => {
      const pid = indexProcess(product.api.pid)
      process.kill(pid, 'SIGKILL')
      await expect
        .poll(() => ![undefined, pid].includes(orNone(() => indexProcess(product.api.pid))))
        .toBe(true)
    },
  ],
])(
  'kill -9 of %s in the middle of 50 uploads: every accepted file is searchable exactly once',
  async (_, kill) => {
    await using product = await startProduct()
    const owner = await product.person({ role: 'owner' })
    const { id } = await owner.api.collections.create.mutate({ name: 'Killed' })
    const accepted: UploadAnswer[] = []
    let next = 0
    const sender = async () => {
      for (let i = next++; i < FILES; i = next++) accepted[i] = await untilAccepted(owner, id, i)
    }
    const sending = Promise.all(Array.from({ length: 4 }, sender))
    for (const share of [0.2, 0.5, 0.8]) {
      while (next < FILES * share) await sleep(1)
      await kill(product)
    }
    await sending
    const documents = accepted.map(({ documentId }) => documentId)
    expect(new Set(documents).size).toBe(FILES)
    for (let i = 0; i < FILES; i++)
      await expect
        .poll(() => searched(owner, word(i), id), { timeout: 60_000, interval: 100 })
        .toEqual([documents[i]])
    const { rows } = await product.db.pool.query<{ documents: number; published: number }>(
      `SELECT (SELECT count(*)::int FROM documents WHERE collection_id = $1) AS documents,
         (SELECT count(*)::int FROM index_log l JOIN documents d ON d.key = l.document_key
          WHERE d.collection_id = $1 AND l.op = 'publish-words') AS published`,
      [id],
    )
    expect(rows).toEqual([{ documents: FILES, published: FILES }])
  },
  SLOW,
)

function orNone(find: () => number): number | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}

/** Documents found for a word; none while the index is away. */
async function searched(person: Person, query: string, collection: string): Promise<string[]> {
  try {
    const { passages } = await person.api.search.passages.query({ query, collectionIds: [collection] })
    return passages.map(({ documentId }) => documentId)
  } catch {
    return []
  }
}
