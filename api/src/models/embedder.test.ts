import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Tokenizer as Reference } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { InferenceSession } from 'onnxruntime-node'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { MODEL_DIR } from '../../test/ingest.ts'
import { parseConfig } from '../config.ts'
import { embedderCases } from './embedder.cases.ts'
import { startEmbedder } from './embedder.ts'
import { runModel, SESSION_OPTIONS } from './embedder-session.ts'
import { readTokenizer } from './embedder-tokenizer.ts'
import { activeGeneration, generationDigest } from './generation.ts'
import type { Embedder, EmbedderIdentity } from './port.ts'
import { findWeights } from './weights.ts'

const folder = path.join(MODEL_DIR, 'bge-small-en-v1.5')
const present = existsSync(path.join(folder, 'model.onnx'))
const log = pino({ level: 'silent' })
const config = (modelDir: string) =>
  parseConfig({
    DATABASE_URL: 'postgresql://nowhere/none',
    STORAGE: 'file:/nowhere',
    AUTH_SECRET: 'x'.repeat(40),
    MODEL_DIR: modelDir,
  })

test.skipIf(!present)('nothing is reported to anybody: ONNX Runtime leaves no trace beside its work', () => {
  const place = mkdtempSync(path.join(tmpdir(), 'terrace-onnx-'))
  const home = path.join(place, 'home')
  mkdirSync(home)
  // A process of its own, in which nobody has said so yet; in CI the library would be silent by itself.
  const program = `
    import { startEmbedder } from '${pathToFileURL(path.join(import.meta.dirname, 'embedder.ts')).href}'
    const log = { warn() {}, error() {}, info() {}, debug() {} }
    const embedder = await startEmbedder({ modelDir: process.env.MODEL_DIR }, { threads: 1, log })
    await embedder.embed('a text', 'passage')
    await embedder.close()`
  writeFileSync(path.join(place, 'program.mjs'), program)
  const { status, stderr } = spawnSync(process.execPath, [path.join(place, 'program.mjs')], {
    env: { PATH: process.env.PATH ?? '', HOME: home, TMPDIR: home, MODEL_DIR },
    encoding: 'utf8',
  })
  expect([status, stderr]).toEqual([0, ''])
  expect(readdirSync(home)).toEqual([])
  rmSync(place, { recursive: true, force: true })
})

describe('the weights', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'terrace-weights-'))
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('missing ones are no error: words only', async () => {
    expect(await findWeights(dir)).toMatchObject({ state: 'missing' })
    expect(await startEmbedder(config(dir), { threads: 1, log })).toBeNull()
  })

  test.skipIf(!present)(
    'a single other byte is refused, also when a stamp calls the old ones good',
    async () => {
      const own = path.join(dir, 'bge-small-en-v1.5')
      mkdirSync(own)
      for (const name of ['model.onnx', 'tokenizer.json'])
        copyFileSync(path.join(folder, name), path.join(own, name))
      expect(await findWeights(dir)).toMatchObject({ state: 'found' })
      const bytes = readFileSync(path.join(own, 'model.onnx'))
      bytes[1_000_000] = (bytes[1_000_000] ?? 0) ^ 1
      writeFileSync(path.join(own, 'model.onnx'), bytes)
      utimesSync(path.join(own, 'model.onnx'), new Date(), new Date(Date.now() + 5_000))
      expect(await findWeights(dir)).toMatchObject({ state: 'wrong' })
      expect(await startEmbedder(config(dir), { threads: 1, log })).toBeNull()
    },
  )
})

describe.skipIf(!present)('the tokenizer', () => {
  const own = present ? readTokenizer(path.join(folder, 'tokenizer.json')) : null
  const reference = present
    ? new Reference(JSON.parse(readFileSync(path.join(folder, 'tokenizer.json'), 'utf8')), {
        tokenizer_class: 'BertTokenizer',
      })
    : null

  const same = (text: string) => {
    const expected = reference?.encode(text).ids ?? []
    expect(own?.encode(text, 100_000), JSON.stringify(text)).toEqual(expected)
    expect(own?.count(text)).toBe(expected.length - 2)
  }

  test('gives the reference’s tokens for real text', () => {
    for (const file of ['../../../docs/configuration.md', '../../test/fixtures/report.md', './embedder.ts'])
      for (const line of existsSync(path.join(import.meta.dirname, file))
        ? readFileSync(path.join(import.meta.dirname, file), 'utf8').split('\n')
        : [])
        same(line)
    for (const text of [
      'Größe, naïve café — “quotes” … don’t!',
      '東京は日本の首都です。Mixed 漢字 and kana カタカナ',
      'Привет мир, это проверка',
      'supercalifragilisticexpialidocious antidisestablishmentarianism',
      `${'a'.repeat(101)} ${'b'.repeat(100)}`,
      'x\u200by soft\u00adhyphen zero\u0000byte tab\tnbsp\u00a0end',
      '',
      '   ',
      '$%^&*() [] {} <> ~` @#',
    ])
      same(text)
  })

  test('gives the reference’s tokens for any text', () => {
    // Specials are plain text here and special there; characters past U+FFFF that are Chinese are set apart here, as
    // in BERT's own tokenizer, and not there.
    const text = fc
      .string({
        unit: fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom(...'aBcé ,.-\'"éüß漢字12\n\t') },
          fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        ),
        maxLength: 60,
      })
      .filter((value) => !/[\u{20000}-\u{2ffff}\u0085\ufeff\ufffd]|[\p{Cn}\p{Co}\p{Cc}]/u.test(value))
    fc.assert(fc.property(text, same), { numRuns: 400 })
  })

  test('cuts to a length and keeps the end mark', () => {
    const ids = own?.encode('word '.repeat(1000), 512) ?? []
    expect(ids.length).toBe(512)
    expect([ids[0], ids.at(-1)]).toEqual([101, 102])
  })
})

describe.skipIf(!present)('the embedder', () => {
  let embedder: Embedder
  beforeAll(async () => {
    const started = await startEmbedder(config(MODEL_DIR), { threads: 1, nice: 10, log })
    if (started === null) throw new Error('no embedder')
    embedder = started
  })
  afterAll(() => embedder?.close())

  test('gives what the bare model gives, of unit length, and the prefix to queries only', async () => {
    const session = await InferenceSession.create(path.join(folder, 'model.onnx'), SESSION_OPTIONS)
    const tokenizer = readTokenizer(path.join(folder, 'tokenizer.json'))
    const bare = (text: string) => runModel(session, Int32Array.from(tokenizer.encode(text, 512)), 384)
    const text = 'The gate closes by itself.'
    const vector = await embedder.embed(text, 'passage')
    expect(vector).toEqual(await bare(text))
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    expect(await embedder.embed(text, 'query')).toEqual(
      await bare(`Represent this sentence for searching relevant passages: ${text}`),
    )
    await session.release()
  })

  test('texts that mean the same are closer than others', async () => {
    const [a, b, c] = await Promise.all([
      embedder.embed('How do I remove a package?', 'query'),
      embedder.embed('Use apt purge to uninstall software from the system.', 'passage'),
      embedder.embed('Green tea needs water below boiling point.', 'passage'),
    ])
    const dot = (x: Float32Array, y: Float32Array) =>
      x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0)
    expect(dot(a, b)).toBeGreaterThan(dot(a, c) + 0.1)
  })

  describe('as every embedder', () => {
    embedderCases(async () => {
      const started = await startEmbedder(config(MODEL_DIR), { threads: 1, log })
      if (started === null) throw new Error('no embedder')
      return started
    })
  })

  test('the background goes after passages that come later', async () => {
    const done: string[] = []
    const work = (kind: 'passage' | 'background', count: number) =>
      Array.from({ length: count }, (_, i) =>
        embedder.embed(`Passage ${i} `.repeat(20), kind).then(() => done.push(kind)),
      )
    await Promise.all([...work('background', 12), ...work('passage', 12)])
    // Two were given to the thread before the others came.
    expect(done.slice(2, 14)).toEqual(new Array(12).fill('passage'))
  })

  test('a query goes before passages that wait', async () => {
    const done: string[] = []
    const passages = Array.from({ length: 12 }, (_, i) =>
      embedder.embed(`Passage ${i} `.repeat(80), 'passage').then(() => done.push(`passage ${i}`)),
    )
    const query = embedder.embed('urgent?', 'query').then(() => done.push('query'))
    await Promise.all([...passages, query])
    expect(done.indexOf('query')).toBeLessThan(4)
  })

  test('what is aborted is not embedded, and the rest is', async () => {
    const stop = new AbortController()
    const waiting = Array.from({ length: 6 }, (_, i) =>
      embedder.embed(`Text ${i} `.repeat(60), 'passage', stop.signal),
    )
    const other = embedder.embed('the other one', 'passage')
    stop.abort(new Error('no longer wanted'))
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'no longer wanted' } })
    expect((await other).length).toBe(384)
    await expect(embedder.embed('later', 'passage', stop.signal)).rejects.toThrow('no longer wanted')
  })

  test.runIf(process.platform === 'linux')('only its own threads are nice', () => {
    const niceness = (file: string) => readFileSync(file, 'latin1').split(') ')[1]?.split(' ')[16]
    expect(niceness('/proc/self/stat')).toBe('0')
    const threads = readdirSync('/proc/self/task').map((id) => niceness(`/proc/self/task/${id}/stat`))
    expect(threads.filter((nice) => nice === '10').length).toBeGreaterThan(0)
    expect(threads.filter((nice) => nice === '0').length).toBeGreaterThan(1)
  })

  test('closed: what waits is told', async () => {
    const other = await startEmbedder(config(MODEL_DIR), { threads: 1, log })
    const waiting = Array.from({ length: 4 }, () => other?.embed('text '.repeat(200), 'passage'))
    const settled = Promise.allSettled(waiting)
    await other?.close()
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } })
    await expect(other?.embed('x', 'query')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

test('a generation is made once, and another embedder does not use it', async () => {
  await using db = await testDatabase()
  const identity = {
    model: 'a',
    sha256: 'b',
    pooling: 'cls',
    queryPrefix: '',
    dimensions: 3,
    maxTokens: 9,
  } as const
  const of = (...identities: EmbedderIdentity[]) =>
    testEmbedders(
      ...identities.map((each) => ({
        identity: each,
        window: 1,
        embed: () => Promise.reject(new Error('not asked for')),
        ready: async () => {},
        close: async () => {},
      })),
    )
  expect(await activeGeneration(db.pool, of())).toBeNull()
  const other = { ...identity, sha256: 'c' }
  const firsts = await Promise.all(
    [identity, other, identity, other].map((e) => activeGeneration(db.pool, of(e))),
  )
  const { rows } = await db.pool.query("SELECT id, dimensions FROM generations WHERE state = 'active'")
  expect(rows).toEqual([{ id: expect.any(Number), dimensions: 3 }])
  const mine = firsts.filter((found) => found !== null)
  expect(mine.map(({ id }) => id)).toEqual([rows[0]?.id, rows[0]?.id])
  // Whichever came first; with both at hand, it is found whatever stands before it.
  expect(await activeGeneration(db.pool, of(other, identity))).toMatchObject({ id: rows[0]?.id })
  expect(await activeGeneration(db.pool, of({ ...identity, model: 'd' }))).toBeNull()
  expect(generationDigest(identity)).not.toBe(generationDigest({ ...identity, queryPrefix: 'q' }))
})
