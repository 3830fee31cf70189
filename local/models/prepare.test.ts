import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { NATIVE } from '../install.mjs'
import { download } from './download.ts'
import { prepareWeights } from './prepare.ts'
import { FILES, inspect, placeOf } from './weights.ts'

/** Where `npm test` put them; without them only the failures can be tried. */
const REAL = path.join(NATIVE, 'models')
const real = (await inspect(REAL)) === 'complete'
let folder: string
let server: http.Server | undefined
let requests: string[]

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-weights-test-'))
  requests = []
  vi.stubEnv('MODEL_DIR', '')
  vi.stubEnv('MODEL_URL', '')
  // Nothing outside is asked: the hub is a closed port, and there is no Maven on this PATH.
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1')
  vi.stubEnv('PATH', folder)
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, 'cache'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function serve(answer: (url: string) => Buffer | { redirect: string } | null): Promise<string> {
  server = http.createServer((request, response) => {
    requests.push(request.url ?? '')
    const body = answer(request.url ?? '')
    if (body === null) return response.writeHead(404).end()
    if (Buffer.isBuffer(body)) return response.end(body)
    response.writeHead(302, { location: body.redirect }).end()
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const home = (name: string) => {
  const place = path.join(folder, name)
  mkdirSync(place, { recursive: true })
  return place
}
const quiet = () => {}

test('without network it is said what that means and how to go on', async () => {
  const result = await prepareWeights(home('a'), quiet, true)
  expect(result.complete).toBe(false)
  expect(result.sentence).toMatch(/by words only: .*could not be fetched .*the hub: .*Later: npm run models/)
})

test('files that are not the pinned ones are refused', async () => {
  const url = await serve(() => Buffer.alloc(500, 'x'))
  vi.stubEnv('MODEL_URL', url)
  const result = await prepareWeights(home('a'), quiet, true)
  expect(result.sentence).toMatch(/MODEL_URL: the file is not the pinned one/)
  expect(existsSync(placeOf(result.modelDir, FILES[0] ?? EMBEDDER_WEIGHTS.files.model))).toBe(false)
})

test('a server that sends more than it should is cut off', async () => {
  const url = await serve(() => Buffer.alloc(200_000, 'x'))
  const wanted = { url, to: path.join(folder, 'file'), bytes: 1_000, sha256: '0' }
  await expect(download(wanted)).rejects.toThrow(/longer than the pinned one/)
})

test('a folder of MODEL_DIR with other files is not overwritten', async () => {
  const own = home('own')
  vi.stubEnv('MODEL_DIR', own)
  for (const file of FILES) {
    mkdirSync(path.dirname(placeOf(own, file)), { recursive: true })
    writeFileSync(placeOf(own, file), 'mine')
  }
  const result = await prepareWeights(home('a'), quiet, true)
  expect(result.sentence).toMatch(/files in MODEL_DIR .* are not the pinned ones/)
  for (const file of FILES) expect(readFileSync(placeOf(own, file), 'utf8')).toBe('mine')
})

test.skipIf(!real)(
  'fetched once a user: a second data folder asks nobody, and shares the bytes',
  async () => {
    const { repository, revision } = EMBEDDER_WEIGHTS.hub
    const url = await serve((asked) => {
      if (asked.startsWith('/moved')) {
        const file = FILES.find((one) => asked.endsWith(one.hubPath))
        return file ? readFileSync(placeOf(REAL, file)) : null
      }
      return asked.startsWith(`/${repository}/resolve/${revision}/`) ? { redirect: `/moved${asked}` } : null
    })
    vi.stubEnv('HF_ENDPOINT', url)
    const first = await prepareWeights(home('a'), quiet, true)
    expect(first.complete).toBe(true)
    expect(requests).toHaveLength(2 * FILES.length)
    const second = await prepareWeights(home('b'), quiet)
    expect(second.complete).toBe(true)
    expect(requests).toHaveLength(2 * FILES.length)
    expect(await inspect(second.modelDir)).toBe('complete')
    const [model] = FILES
    if (model === undefined) throw new Error('no files')
    expect(statSync(placeOf(second.modelDir, model)).ino).toBe(statSync(placeOf(first.modelDir, model)).ino)
  },
)

test.skipIf(!real)('MODEL_URL serves a copy of the folder', async () => {
  const url = await serve((asked) => {
    const file = FILES.find((one) => asked === `/models/${EMBEDDER_WEIGHTS.folder}/${one.name}`)
    return file ? readFileSync(placeOf(REAL, file)) : null
  })
  vi.stubEnv('MODEL_URL', `${url}/models/`)
  // No user-wide cache: it goes where it is needed.
  writeFileSync(path.join(folder, 'file'), '')
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, 'file'))
  const result = await prepareWeights(home('a'), quiet, true)
  expect(result.sentence).toMatch(/by words and meaning/)
  expect(await inspect(result.modelDir)).toBe('complete')
})
