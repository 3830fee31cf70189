import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { altered, SharedPlace } from './fixtures.ts'
import { fileKey, listManifests, manifestKey, openManifest, Unusable } from './shared.ts'
import { releaseTerm, renewTerm, takeTerm } from './term.ts'

const flip = (file: string, at = 0.5) => {
  const bytes = readFileSync(file)
  const offset = Math.floor((bytes.length - 1) * at)
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset)
  writeFileSync(file, bytes)
}

const seqs = async (place: SharedPlace) => (await listManifests(place.store)).map(({ seq }) => seq)

describe('a shared checkpoint', () => {
  test('is what another server begins with, and its files need no second hash', async () => {
    await using place = await SharedPlace.open()
    const [a, b] = [place.server('a'), place.server('b')]
    await place.document()
    const seq = await a.checkpoint()
    expect(await a.publish()).toBe('published')
    expect(await a.publish()).toBe('nothing')
    const fetched = await b.fetch()
    expect(fetched?.seq).toBe(seq)
    expect(fetched?.verified).toHaveLength(2)
    expect(await b.loaded(fetched?.verified)).toEqual(await a.loaded())
    // A server that has it, or nearly, takes no other.
    await place.document()
    await a.checkpoint()
    await a.publish()
    expect(await b.fetch()).toBeNull()
    expect(readdirSync(b.dir).some((name) => name.split('.').length > 2)).toBe(false)
  })

  test('with a bad byte in any file is passed over for the one before, and that for none', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const first = await a.checkpoint()
    await a.publish()
    const before = await place.keys()
    await place.document()
    const second = await a.checkpoint()
    await a.publish()
    const added = (await place.keys()).filter((key) => !before.includes(key))
    expect(added).toHaveLength(3)
    for (const key of added)
      for (const at of [0, 0.001, 0.3, 0.99, 1]) {
        const whole = readFileSync(place.file(key))
        flip(place.file(key), at)
        const b = place.server('b')
        expect((await b.fetch())?.seq, `${key} at ${at}`).toBe(first)
        expect((await b.loaded())?.seq).toBe(first)
        writeFileSync(place.file(key), whole)
      }
    for (const key of added) {
      const whole = readFileSync(place.file(key))
      truncateSync(place.file(key), whole.length - 1)
      expect((await place.server('b').fetch())?.seq).toBe(first)
      writeFileSync(place.file(key), whole)
    }
    expect((await place.server('b').fetch())?.seq).toBe(second)
    for (const key of await place.keys('index/manifests/')) flip(place.file(key))
    const b = place.server('b')
    expect(await b.fetch()).toBeNull()
    expect(b.refused).toHaveLength(2)
    expect(await b.loaded()).toBeNull()
  })

  test('made with another secret, or renamed, is none', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const seq = await a.checkpoint()
    await a.publish()
    const [name] = await listManifests(place.store)
    if (name === undefined) throw new Error('no manifest')
    await expect(openManifest(place.store, name, Buffer.alloc(32, 8))).rejects.toThrow(Unusable)
    await place.document()
    const renamed = manifestKey({ seq: seq + 1, term: 1 })
    await place.store.put(renamed, Readable.from([readFileSync(place.file(name.key))]))
    const b = place.server('b')
    expect((await b.fetch())?.seq).toBe(seq)
    expect(b.refused.join()).toContain('not its own')
  })

  test('of a past that the database has lost is not used, and is replaced', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const common = await a.checkpoint()
    await a.publish()
    await place.document()
    const lost = await a.checkpoint()
    await a.publish()
    // The database as it was before the second document, and another one since: same number, another entry.
    await place.db.pool.query('DELETE FROM index_log WHERE seq > $1', [common])
    await place.db.pool.query('UPDATE index_head SET seq = $1, epoch = gen_random_uuid()', [common])
    expect((await place.server('b').fetch())?.seq).toBe(common)
    await expect(a.publish()).rejects.toThrow(/ends at|another one/)
    expect(await place.document()).toBe(lost)
    await a.checkpoint()
    expect(await a.publish()).toBe('published')
    expect(await seqs(place)).toEqual([lost, common])
    const b = place.server('b')
    expect((await b.fetch())?.seq).toBe(lost)
    expect(await b.loaded()).toEqual(await a.loaded())
  })
})

describe('one builder at a time', () => {
  test('the lease keeps others out, and each new holder begins a new term', async () => {
    await using place = await SharedPlace.open()
    const { pool } = place.db
    expect(await Promise.all(['a', 'a', 'a'].map((owner) => takeTerm(pool, owner)))).toEqual([1, 1, 1])
    expect(await takeTerm(pool, 'b')).toBeNull()
    expect(await renewTerm(pool, 'b', 1)).toBe(false)
    await place.leaseEnds()
    // Late, but nobody came.
    expect(await renewTerm(pool, 'a', 1)).toBe(true)
    await place.leaseEnds()
    const taken = await Promise.all(['b', 'c', 'd', 'e'].map((owner) => takeTerm(pool, owner)))
    expect(taken.filter((term) => term !== null)).toEqual([2])
    expect(await renewTerm(pool, 'a', 1)).toBe(false)
    const holder = ['b', 'c', 'd', 'e'][taken.indexOf(2)] ?? ''
    await releaseTerm(pool, 'a')
    expect(await takeTerm(pool, 'a')).toBeNull()
    await releaseTerm(pool, holder)
    expect(await takeTerm(pool, 'a')).toBe(3)
  })

  test('another server neither publishes nor cuts', async () => {
    await using place = await SharedPlace.open()
    const [a, b] = [place.server('a'), place.server('b')]
    await place.document()
    await a.checkpoint()
    await a.publish()
    await place.document()
    await b.checkpoint()
    const keys = await place.keys()
    expect(await b.publish()).toBe('not-builder')
    expect(await place.keys()).toEqual(keys)
    await place.leaseEnds()
    expect(await b.publish()).toBe('published')
  })

  test('a builder that was paused spoils nothing of its successor', async () => {
    await using place = await SharedPlace.open()
    const [a, b] = [place.server('a'), place.server('b')]
    await place.document()
    await a.checkpoint()
    await a.publish()
    await place.document()
    await a.checkpoint()
    // While a's second file is on its way, its lease ends, and b builds.
    let stored = 0
    let seq = 0
    const slow = altered(place.store, {
      put: async (...args) => {
        const put = await place.store.put(...args)
        if (++stored === 2) {
          await place.leaseEnds()
          seq = await b.checkpoint()
          await b.publish()
        }
        return put
      },
    })
    await expect(a.publish(slow)).rejects.toThrow('term 1 is over')
    const c = place.server('c')
    expect((await c.fetch())?.seq).toBe(seq)
    expect(await c.loaded()).toEqual(await b.loaded())
    // What a left behind goes with b's next.
    await place.document()
    await b.checkpoint()
    await b.publish()
    expect((await place.keys('index/t')).every((key) => key.startsWith(fileKey(2, { name: '' })))).toBe(true)
  })

  test('a builder that was paused before it cleared up removes nothing of a later term', async () => {
    await using place = await SharedPlace.open()
    const [a, b] = [place.server('a'), place.server('b')]
    await place.document()
    await a.checkpoint()
    let seq = 0
    let lists = 0
    const slow = altered(place.store, {
      async *list(prefix) {
        // The fourth is the first of clearing up: all of its own is stored by then.
        if (++lists === 4) {
          await place.leaseEnds()
          await place.document()
          seq = await b.checkpoint()
          expect(await b.publish()).toBe('published')
        }
        yield* place.store.list(prefix)
      },
    })
    await a.publish(slow)
    expect(seq).toBeGreaterThan(0)
    const c = place.server('c')
    expect((await c.fetch())?.seq).toBe(seq)
    expect(await c.loaded()).toEqual(await b.loaded())
  })

  test('a publication that broke off leaves no checkpoint, and the next one clears up after it', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    await a.checkpoint()
    for (const failing of [1, 2, 3]) {
      let puts = 0
      const broken = altered(place.store, {
        put: (...args) => (++puts === failing ? Promise.reject(new Error('gone')) : place.store.put(...args)),
      })
      // Each time with other files.
      await a.checkpoint()
      // What the first try stored counts: a try that has less to store fails at nothing.
      await a.publish(broken).then(
        () => expect(failing).toBe(3),
        () => {},
      )
      if (failing < 3) expect(await place.server('b').fetch()).toBeNull()
    }
    await place.document()
    await a.checkpoint()
    expect(await a.publish()).toBe('published')
    const named = (await listManifests(place.store)).length * 2
    expect(await place.keys('index/t')).toHaveLength(named)
    expect(readdirSync(a.dir).filter((name) => name.startsWith('publishing-'))).toEqual([])
  })

  test('a file that rotted on this disk is not published', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    await a.checkpoint()
    const file = readdirSync(a.dir).find((name) => name.startsWith('vectors-')) ?? ''
    flip(path.join(a.dir, file))
    await expect(a.publish()).rejects.toThrow('damaged on this disk')
    expect(await seqs(place)).toEqual([])
    expect((await place.keys()).filter((key) => key.includes('vectors-'))).toEqual([])
  })
})

describe('the log', () => {
  test('is cut below the oldest kept checkpoint, and no piece is cut out of it', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    for (let i = 0; i < 3; i++) await place.document()
    const first = await a.checkpoint()
    await a.publish()
    expect((await place.log())[0]).toBe(1)
    await place.logAges()
    await place.document()
    const second = await a.checkpoint()
    await a.publish()
    expect(await seqs(place)).toEqual([second, first])
    expect((await place.log())[0]).toBe(first)
    // Younger than an hour, or a clock that was wrong for a moment: that entry and all after it stay.
    await place.logAges()
    await place.db.pool.query('UPDATE index_log SET at = now() WHERE seq = $1', [first + 1])
    await place.document()
    await a.checkpoint()
    await a.publish()
    expect((await place.log())[0]).toBe(first + 1)
    const log = await place.log()
    expect(log).toEqual(Array.from(log, (_, i) => first + 1 + i))
    // From every checkpoint that is kept there is a way to the head.
    for (const key of await place.keys('index/manifests/')) {
      const b = place.server('b')
      expect((await b.fetch())?.seq, key).toBe((await seqs(place))[0])
    }
  })

  test('is cut without a shared store too, by its own checkpoints', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const first = await a.checkpoint()
    await place.document()
    await a.checkpoint()
    await place.logAges()
    await a.cutByOwn()
    expect((await place.log())[0]).toBe(first)
    expect(await place.keys()).toEqual([])
  })
})
