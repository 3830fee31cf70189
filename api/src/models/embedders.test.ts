import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { MODEL_DIR } from '../../test/ingest.ts'
import { startScriptedEmbeddings } from '../../test/scripted-embeddings.ts'
import { createEmbedders } from './embedders.ts'

const weights = existsSync(path.join(MODEL_DIR, 'bge-small-en-v1.5/model.onnx'))
const create = (embedders?: unknown, modelDir = '/nowhere') =>
  createEmbedders(
    {
      embedders:
        embedders === undefined || typeof embedders === 'string' ? embedders : JSON.stringify(embedders),
      modelDir,
    },
    { threads: 1, log: pino({ enabled: false }) },
  )
const entry = (more: object = {}) => ({
  ...{ id: 'm3', name: 'BGE M3', type: 'openai-compatible', url: 'http://127.0.0.1:1/v1' },
  ...{ model: '@cf/baai/bge-m3', dimensions: 1024, ...more },
})

afterEach(() => {
  delete process.env.TERRACE_TEST_KEY
})

describe('EMBEDDERS', () => {
  it.runIf(weights)('without it, the local one where its weights are', async () => {
    const embedders = await create(undefined, MODEL_DIR)
    expect(embedders.offered).toMatchObject([{ id: 'local', name: 'bge-small-en-v1.5', host: null }])
    expect(embedders.first?.identity.dimensions).toBe(384)
    expect(embedders.ofDigest(embedders.offered[0]?.digest ?? '')).toBe(embedders.first)
    await embedders.close()
  })

  it('without weights there is none to be used, and that is no error', async () => {
    const embedders = await create()
    expect(embedders.offered).toMatchObject([{ id: 'local', embedder: null, digest: null }])
    expect(embedders.first).toBeNull()
    await embedders.close()
  })

  it('the first that can be used is what an installation begins with', async () => {
    const embedders = await create([
      { id: 'local', type: 'local' },
      entry(),
      entry({ id: 'm4', revision: '2' }),
    ])
    expect(embedders.offered.map(({ id, host }) => [id, host])).toEqual([
      ['local', null],
      ['m3', '127.0.0.1:1'],
      ['m4', '127.0.0.1:1'],
    ])
    expect(embedders.first?.identity).toMatchObject({ model: '@cf/baai/bge-m3', dimensions: 1024 })
    // Another revision is another model; the address, the key and the pace are not part of it.
    expect(new Set(embedders.offered.map(({ digest }) => digest)).size).toBe(3)
    const moved = await create([entry({ url: 'https://elsewhere.example.org/v1', batch: 7 })])
    expect(moved.offered[0]?.digest).toBe(embedders.offered[1]?.digest)
    await Promise.all([embedders.close(), moved.close()])
  })

  it('may be a file; keys come from the environment', async () => {
    await using scripted = await startScriptedEmbeddings()
    process.env.TERRACE_TEST_KEY = 'from-the-environment'
    const folder = mkdtempSync(path.join(tmpdir(), 'terrace-embedders-'))
    const file = path.join(folder, 'embedders.json')
    const one = entry({ url: scripted.url, model: 'scripted', dimensions: 64, key: 'env:TERRACE_TEST_KEY' })
    writeFileSync(file, JSON.stringify([one]))
    const embedders = await create(file)
    expect((await embedders.first?.embed('text', 'query'))?.length).toBe(64)
    expect(scripted.requests.at(-1)?.authorization).toBe('Bearer from-the-environment')
    await embedders.close()
    rmSync(folder, { recursive: true })
  })

  it.each([
    ['[{', 'EMBEDDERS is not valid JSON'],
    ['[]', 'name at least one'],
    ['/no/such/file.json', 'can not be read (ENOENT)'],
    [[entry({ key: 'sk-very-secret' })], '[0].key: must be env:NAME'],
    [[entry({ key: 'env:TERRACE_NOT_SET' })], '[0].key: TERRACE_NOT_SET is not set'],
    [[entry({ url: 'ftp://x' })], '[0].url: must be an http or https address'],
    [[entry({ type: 'bedrock' })], '[0].type: '],
    [[entry({ dimensions: 0 })], '[0].dimensions: '],
    [[entry({ dimension: 3 })], '[0]: '],
    [[entry(), entry({ revision: '2' })], '[1].id: "m3" is there twice'],
    [[entry(), entry({ id: 'other' })], '[1]: is the same model as another entry'],
    [
      [
        { id: 'a', type: 'local' },
        { id: 'b', type: 'local' },
      ],
      '[1]: is the same model as another entry',
    ],
  ])('%j is refused in plain words', async (embedders, message) => {
    await expect(create(embedders)).rejects.toThrow(message)
    await expect(create(embedders)).rejects.not.toThrow('very-secret')
  })
})
