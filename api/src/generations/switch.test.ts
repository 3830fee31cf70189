// A switch as those who search live through it: two servers, each with an index process of its own, under questions.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { scriptedVector } from '../../test/scripted-embeddings.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../index/engines/embedded.ts'
import { type SearchResult, searchPassages } from '../retrieval/search.ts'
import { buildGeneration, switchGeneration } from './change.ts'
import { addReader, type GenerationsFixture, generationsFixture, READER, texts } from './fixtures.ts'

const QUERY = 'the lamp by the river'

let home: string
let of: GenerationsFixture
let servers: EmbeddedIndex[]
/** By passage: its cosine to the question, as the old embedder sees it; the new one sees the opposite. */
let cosines: Map<number, number>

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-switch-'))
  of = await generationsFixture()
  await addReader(of)
  const all = texts(300, 'note')
  const { passageIds } = await of.add(all)
  cosines = new Map(passageIds.map((id, i) => [id, cosine(QUERY, all[i] ?? '')]))
  servers = await Promise.all(
    ['one', 'two'].map((name) => startEmbeddedIndex(of.db.config(path.join(home, name)), of.deps.log)),
  )
  await expect.poll(() => servers.every((index) => index.status().vectors === 300)).toBe(true)
})
afterEach(async () => {
  await Promise.all(servers.map((index) => index.close()))
  await of[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

function cosine(a: string, b: string): number {
  const [x, y] = [scriptedVector(a), scriptedVector(b)]
  const dot = x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0)
  return dot / Math.hypot(...x) / Math.hypot(...y)
}

const search = (index: EmbeddedIndex): Promise<SearchResult> =>
  searchPassages({ ...of.deps, index }, READER, { query: QUERY, limit: 5 })

/** Whose vectors an answer goes by: all of its cosines are of one embedder, or it has gone wrong. */
function generationOf({ mode, passages }: SearchResult): 'old' | 'new' | 'none' {
  if (mode === 'words' || passages.length !== 5) return 'none'
  const of = (sign: 1 | -1) =>
    passages.every((hit) => Math.abs((hit.cosine ?? 9) - sign * (cosines.get(hit.passageId) ?? 9)) < 1e-4)
  return of(1) ? 'old' : of(-1) ? 'new' : 'none'
}

async function build(): Promise<number> {
  const id = await buildGeneration(of.deps, 'new')
  of.startFill()
  await expect.poll(async () => (await of.generation(id))?.ready).toBe(true)
  return id
}

test('questions are answered by meaning all the while, by the old vectors and then by the new ones, and back', async () => {
  const id = await build()
  // A question is under way for a moment, so that switches come in between.
  for (const end of Object.values(of.ends)) end.script({ delay: 10 })
  let asking = true
  const failures: unknown[] = []
  const answers: { server: number; by: string }[] = []
  const crowd = servers.flatMap((index, server) =>
    Array.from({ length: 3 }, async () => {
      while (asking)
        await search(index).then(
          (found) => answers.push({ server, by: generationOf(found) }),
          (error: unknown) => failures.push(error),
        )
    }),
  )
  const holds = (generation: number) =>
    expect
      .poll(() => servers.every((index) => index.status().generation === generation), { interval: 20 })
      .toBe(true)
  await switchGeneration(of.deps, id)
  await holds(id)
  const [first, second] = await Promise.all(servers.map(search))
  expect([first, second].map((each) => each && generationOf(each))).toEqual(['new', 'new'])
  // Promise P6, of one generation.
  expect(second).toEqual(first)
  await switchGeneration(of.deps, of.oldId)
  await holds(of.oldId)
  asking = false
  await Promise.all(crowd)
  expect(failures).toEqual([])
  for (const server of [0, 1]) {
    const seen = answers.filter((each) => each.server === server).map(({ by }) => by)
    expect(seen).not.toContain('none')
    expect(new Set(seen)).toEqual(new Set(['old', 'new']))
  }
  expect(generationOf(await search(servers[0] as EmbeddedIndex))).toBe('old')
})

test('an endpoint that is away takes the meaning from a search, not the words', async () => {
  of.ends.old.script({ error: 500 })
  const found = await search(servers[0] as EmbeddedIndex)
  expect(found).toMatchObject({ mode: 'words' })
  expect(found.passages.length).toBe(5)
  of.ends.old.script({})
  await expect.poll(async () => (await search(servers[0] as EmbeddedIndex)).mode).toBe('words+meaning')
})

test('who uploads while one is built and switched to finds it, on both servers', async () => {
  const id = await build()
  await switchGeneration(of.deps, id)
  const { passageIds } = await of.add(['a quince in the garden'])
  await of.db.pool.query('UPDATE document_versions SET created_by = $1', [READER.userId])
  for (const index of servers) {
    const { passages } = await searchPassages({ ...of.deps, index }, READER, {
      query: 'quince',
      seen: 'head',
    })
    expect(passages.map(({ passageId }) => passageId)).toContain(passageIds[0])
  }
})
