// A bucket in which something is wrong, by itself or because somebody wanted it so: it costs a server that starts little
// time and no good checkpoint, and keeps the builder from nothing.
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { transaction } from '../../database/pool.ts'
import { AppError } from '../../errors.ts'
import { createFileBlobStore } from '../../storage/files.ts'
import { StorageRefuses } from '../../storage/port.ts'
import type { ManifestFile } from '../checkpoint/checkpoint.ts'
import { append } from '../log.ts'
import { altered, SharedPlace } from './fixtures.ts'
import { type CheckpointStore, fileKey, listManifests, manifestKey, type SharedManifest } from './shared.ts'
import { storeFiles } from './store-files.ts'

const refuses = () => Promise.reject(new StorageRefuses('UNAVAILABLE', { reason: 'refused' }))
const away = () => Promise.reject(new AppError('UNAVAILABLE', { reason: 'no answer' }))

function flip(file: string): void {
  const bytes = readFileSync(file)
  const at = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(file, bytes)
}

/** The store, whose get of some keys fails. `got` are those that were asked for. */
function failing(
  { store }: { store: CheckpointStore },
  fails: (key: string) => boolean,
  how: () => Promise<never>,
  changes: Partial<CheckpointStore> = {},
) {
  const got: string[] = []
  const get: CheckpointStore['get'] = (key, range) => {
    got.push(key)
    return fails(key) ? how() : store.get(key, range)
  }
  return { store: altered(store, { get, ...changes }), got }
}

/** Of a manifest in the store. */
function filesOf(place: SharedPlace, key: string): ManifestFile[] {
  const { checkpoint }: SharedManifest = JSON.parse(readFileSync(place.file(key), 'utf8').slice(65))
  return [checkpoint.state, ...checkpoint.segments]
}

/** Two checkpoints of server a, newest first. */
async function published(place: SharedPlace) {
  const a = place.server('a')
  const seqs: number[] = []
  const manifests: string[] = []
  for (let i = 0; i < 2; i++) {
    await place.document()
    seqs.unshift(await a.checkpoint())
    await a.publish()
    manifests.unshift((await listManifests(place.store))[0]?.key ?? '')
  }
  const [newer = 0, older = 0] = seqs
  const [newest = '', before = ''] = manifests
  return { a, newer, older, newest, before }
}

describe('a server that starts', () => {
  test('with a checkpoint of its own that is near asks the store for nothing', async () => {
    await using place = await SharedPlace.open()
    const { a } = await published(place)
    await place.document()
    const store = altered(place.store, { list: () => expect.fail('it was asked'), get: away })
    expect(await a.fetch(store)).toBeNull()
  })

  test('with one from before a switch of generations, which its index would not continue, takes a shared one', async () => {
    await using place = await SharedPlace.open()
    const [a, b] = [place.server('a'), place.server('b')]
    await place.document()
    await b.checkpoint()
    const generationId = await place.library.generation()
    await transaction(place.db.pool, (client) => append(client, { op: 'switch-generation', generationId }))
    const seq = await a.checkpoint()
    await a.publish()
    expect((await b.fetch())?.seq).toBe(seq)
  })

  test('opens nothing that this database can not have: of a later term, or beyond its log', async () => {
    await using place = await SharedPlace.open()
    const { newer, a } = await published(place)
    const forged = [9_999_999_999, 2].flatMap((term) => [newer, 10 ** 15].map((seq) => ({ seq, term })))
    const beyond = Array.from({ length: 12 }, (_, i) => ({ seq: newer + 1 + i, term: 1 }))
    const keys = [...forged, ...beyond].map(manifestKey)
    for (const key of keys) await place.store.put(key, Readable.from([Buffer.from('x'.repeat(100))]))
    await place.store.put(fileKey(9_999_999_999, { name: 'x.bin' }), Readable.from([Buffer.from('x')]))
    const { store, got } = failing(place, () => false, away)
    expect((await place.server('b').fetch(store))?.seq).toBe(newer)
    expect(got).toHaveLength(3)
    // The builder clears them away.
    await a.checkpoint()
    await a.publish()
    const left = await place.keys()
    expect(left.filter((key) => keys.includes(key) || key.includes('9999999999'))).toEqual([])
    expect((await place.server('c').fetch())?.seq).toBe(newer)
  })

  test('whose checkpoint is removed while it is fetched, for newer ones, takes one of those', async () => {
    await using place = await SharedPlace.open()
    const { a, newest } = await published(place)
    const files = filesOf(place, newest).map((file) => fileKey(1, file))
    const twiceMore = async () => {
      let seq = 0
      for (let i = 0; i < 2; i++) {
        await place.document()
        seq = await a.checkpoint()
        await a.publish()
      }
      return seq
    }
    // Files are asked for side by side; all of them wait for the newer checkpoints.
    let latest: Promise<number> | undefined
    const store = altered(place.store, {
      async get(...asked) {
        if (files.includes(asked[0])) {
          latest ??= twiceMore()
          await latest
        }
        return await place.store.get(...asked)
      },
    })
    const fetched = await place.server('b').fetch(store)
    expect(fetched?.seq).toBe(await latest)
  })

  test('opens ten at most', async () => {
    await using place = await SharedPlace.open()
    const { newer } = await published(place)
    for (let i = 0; i < 30; i++) await place.library.session('somebody')
    for (let i = 1; i <= 20; i++)
      await place.store.put(manifestKey({ seq: newer + i, term: 1 }), Readable.from([Buffer.from('x')]))
    const { store, got } = failing(place, () => false, away)
    expect(await place.server('b').fetch(store)).toBeNull()
    expect(got).toHaveLength(10)
  })

  test.each([
    ['refuses', refuses],
    ['does not give', away],
  ])('takes the one before when the store %s the newest one’s manifest, or a file of it', async (_, how) => {
    await using place = await SharedPlace.open()
    const { newest, older } = await published(place)
    for (const bad of [newest, ...filesOf(place, newest).map((file) => fileKey(1, file))]) {
      const b = place.server('b')
      const { store, got } = failing(place, (key) => key === bad, how)
      expect((await b.fetch(store))?.seq).toBe(older)
      expect(got).toContain(bad)
      expect(b.files()).toHaveLength(3)
    }
  })

  test('says so when it could ask for none, which is not that there is none', async () => {
    await using place = await SharedPlace.open()
    await published(place)
    const nothing = failing(place, () => true, away)
    await expect(place.server('b').fetch(nothing.store)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    // Whoever is refused everything asks the store as a whole.
    const refused = failing(place, () => true, refuses, { check: away })
    await expect(place.server('c').fetch(refused.store)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await place.server('d').fetch(failing(place, () => true, refuses).store)).toBeNull()
  })

  test('leaves nothing on its disk of a checkpoint that it could not have whole', async () => {
    await using place = await SharedPlace.open()
    await published(place)
    const b = place.server('b')
    let arrived = 0
    // Each time when the other file is there.
    const late = async () => {
      const before = arrived++
      await expect.poll(() => b.files()).toHaveLength(before + 1)
      await sleep(100)
      return refuses()
    }
    expect(await b.fetch(failing(place, (key) => key.includes('/state-'), late).store)).toBeNull()
    expect(arrived).toBe(2)
    expect(b.files()).toEqual([])
  })

  test('says what has come, so that whoever waits knows', async () => {
    await using place = await SharedPlace.open()
    const { newest } = await published(place)
    let bytes = 0
    const received = (more: number) => {
      bytes += more
    }
    await place.server('b').fetch(place.store, { received })
    expect(bytes).toBe(filesOf(place, newest).reduce((sum, file) => sum + file.bytes, 0))
  })
})

describe('the builder', () => {
  test('publishes, clears up and cuts the log although a manifest can not be read; and removes that', async () => {
    await using place = await SharedPlace.open()
    const { a, newest, older, before } = await published(place)
    await place.document()
    const third = await a.checkpoint()
    await place.logAges()
    const { store } = failing(place, (key) => key === newest, refuses)
    expect(await a.publish(store)).toBe('published')
    const keys = await place.keys('index/manifests/')
    expect(keys).not.toContain(newest)
    expect(keys).toContain(before)
    expect((await place.server('b').fetch())?.seq).toBe(third)
    expect((await place.log())[0]).toBe(older)
  })

  test('gives up none that it could not ask for, nor its files, nor the log that continues it', async () => {
    await using place = await SharedPlace.open()
    const { a, newest, newer, older } = await published(place)
    await place.document()
    const third = await a.checkpoint()
    await place.logAges()
    const { store } = failing(place, (key) => key === newest, away)
    expect(await a.publish(store)).toBe('published')
    expect((await listManifests(place.store)).map(({ seq }) => seq)).toEqual(
      expect.arrayContaining([third, newer]),
    )
    // The newest one is gone: the one that could not be asked for is whole.
    await place.store.delete(manifestKey({ seq: third, term: 1 }))
    const b = place.server('b')
    expect((await b.fetch())?.seq).toBe(newer)
    expect(await b.loaded()).not.toBeNull()
    expect((await place.log())[0]).toBe(older)
    // Asked again it is superfluous.
    await a.publish()
    await place.document()
    const fourth = await a.checkpoint()
    await a.publish()
    expect((await listManifests(place.store)).map(({ seq }) => seq)).toEqual([fourth, third])
    expect(await place.keys('index/t')).toHaveLength(4)
  })

  test('cuts no log that leads on from one that it could not ask for', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const first = await a.checkpoint()
    await a.publish()
    await place.document()
    await a.checkpoint()
    await place.logAges()
    const old = manifestKey({ seq: first, term: 1 })
    await a.publish(failing(place, (key) => key === old, away).store)
    expect((await place.log())[0]).toBe(first)
  })

  test('removes nothing where it can read nothing', async () => {
    await using place = await SharedPlace.open()
    const { a } = await published(place)
    await place.document()
    await a.checkpoint()
    const keys = await place.keys()
    await expect(a.publish(failing(place, () => true, refuses).store)).rejects.toThrow('can be read')
    expect(await place.keys()).toEqual(expect.arrayContaining(keys))
  })

  test('cuts the log although something can not be removed', async () => {
    await using place = await SharedPlace.open()
    const { a, older, newer } = await published(place)
    await place.document()
    await a.checkpoint()
    await place.logAges()
    const store = altered(place.store, { delete: refuses })
    expect(await a.publish(store)).toBe('published')
    expect((await place.log())[0]).toBe(newer)
    expect((await listManifests(place.store)).map(({ seq }) => seq)).toContain(older)
  })
})

describe('a damaged file', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-store-files-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('in the store is removed by whoever fetches it, so that it is stored again', async () => {
    await using place = await SharedPlace.open()
    const { older, newest } = await published(place)
    const before = await place.keys('index/t')
    const vectors = filesOf(place, newest).find(({ name }) => name.startsWith('vectors-'))
    if (vectors === undefined) throw new Error('no vectors')
    const key = fileKey(1, vectors)
    flip(place.file(key))
    expect((await place.server('b').fetch())?.seq).toBe(older)
    expect(await place.keys('index/t')).toEqual(before.filter((other) => other !== key))
  })

  test('on the way here is asked for again, and stays in the store', async () => {
    await using place = await SharedPlace.open()
    const { newer } = await published(place)
    const before = await place.keys()
    const garbled = new Set<string>()
    const store = altered(place.store, {
      async get(key, range) {
        const body = await place.store.get(key, range)
        if (!key.startsWith('index/t') || garbled.has(key)) return body
        garbled.add(key)
        body.destroy()
        return Readable.from([Buffer.from('garbled')])
      },
    })
    expect((await place.server('b').fetch(store))?.seq).toBe(newer)
    expect(garbled.size).toBe(2)
    expect(await place.keys()).toEqual(before)
  })

  test('on this disk is all that is brought of a checkpoint which is here and near', async () => {
    await using place = await SharedPlace.open()
    const { a, newer } = await published(place)
    const b = place.server('b')
    await b.fetch()
    for (const name of readdirSync(b.dir)) if (name.startsWith('vectors-')) flip(path.join(b.dir, name))
    expect(await b.fetch()).toBeNull()
    expect(await b.loaded()).toBeNull()
    const { store, got } = failing(place, () => false, away)
    const fetched = await b.fetch(store, { whole: true })
    expect(fetched?.seq).toBe(newer)
    expect(fetched?.verified).toHaveLength(2)
    expect(got.filter((key) => key.startsWith('index/t'))).toHaveLength(1)
    expect(await b.loaded()).toEqual(await a.loaded())
  })

  test('whose size is not right, or that can not be read, is stored again in the same term', async () => {
    const name = 'vectors-0.faiss'
    writeFileSync(path.join(folder, name), 'all of it')
    const blobs = await createFileBlobStore(path.join(folder, 'store'))
    const { sha256 } = await blobs.put('other', Readable.from([Buffer.from('all of it')]))
    const file = { name, bytes: 9, sha256 }
    const key = fileKey(1, file)
    let puts = 0
    const counted = (changes: Partial<CheckpointStore> = {}) =>
      altered(blobs, {
        put: (...args) => {
          puts++
          return blobs.put(...args)
        },
        ...changes,
      })
    const store = async (of: CheckpointStore, readable = true) => {
      puts = 0
      const { signal } = new AbortController()
      await storeFiles({ store: of, signal, readable }, folder, [file], 1)
      return puts
    }
    expect(await store(counted())).toBe(1)
    expect(await store(counted())).toBe(0)
    truncateSync(path.join(folder, 'store/blobs', key), 5)
    expect(await store(counted())).toBe(1)
    expect(await store(counted({ get: refuses }))).toBe(1)
    // What can't be asked, or is refused like everything else, is as good as it was.
    expect(await store(counted({ get: away }))).toBe(0)
    expect(await store(counted({ get: refuses, check: away }))).toBe(0)
    expect(await store(counted({ get: refuses }), false)).toBe(0)
    expect(readFileSync(path.join(folder, 'store/blobs', key), 'utf8')).toBe('all of it')
  })
})
