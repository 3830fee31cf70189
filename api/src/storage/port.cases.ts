// What every blob store promises. An adapter's test hands in an empty store and a way to list what it holds.
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { type BlobEntry, type BlobStore, checkKey } from './port.ts'

export interface OpenStore extends AsyncDisposable {
  readonly store: BlobStore
  /** Every blob and every piece of one, unfinished ones included. */
  residue(): Promise<string[]>
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A stream that gives `bytes` in small pieces and then fails, stalls or ends. */
function pieces(bytes: Buffer, then: 'end' | 'fail' | 'stall'): Readable {
  let offset = 0
  return new Readable({
    read() {
      const start = offset
      offset += 1_000
      if (start < bytes.length) this.push(bytes.subarray(start, offset))
      else if (then === 'end') this.push(null)
      else if (then === 'fail') this.destroy(new Error('the sender went away'))
    },
  })
}

function* inChunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

export interface StoreUnderTest {
  /** A size that the store does not take in one piece. */
  readonly large: number
  /** False where the server behind the store is known not to arbitrate between large blobs. */
  readonly largeRace: boolean
}

export function blobStoreCases(
  name: string,
  { large, largeRace }: StoreUnderTest,
  open: () => Promise<OpenStore>,
): void {
  describe(`${name} keeps the blob store's promises`, () => {
    test('what was put comes back, whole and by range', async () => {
      await using opened = await open()
      const { store } = opened
      const bytes = randomBytes(300_001)
      expect(await store.put('a/b-1.bin', pieces(bytes, 'end'))).toEqual({
        bytes: bytes.length,
        sha256: sha256(bytes),
      })
      expect(await store.size('a/b-1.bin')).toBe(bytes.length)
      expect((await buffer(await store.get('a/b-1.bin'))).equals(bytes)).toBe(true)
      const part = await buffer(await store.get('a/b-1.bin', { start: 10, end: 19 }))
      expect(part.equals(bytes.subarray(10, 20))).toBe(true)
    })

    test('a range is cut at the end of the blob, and is nothing behind it', async () => {
      await using opened = await open()
      const { store } = opened
      const bytes = randomBytes(1_000)
      await store.put('r', pieces(bytes, 'end'))
      const range = async (start: number, end: number) => buffer(await store.get('r', { start, end }))
      expect((await range(0, 0)).equals(bytes.subarray(0, 1))).toBe(true)
      expect((await range(990, 5_000)).equals(bytes.subarray(990))).toBe(true)
      expect(await range(1_000, 1_010)).toHaveLength(0)
    })

    test('a local file is readable until it is disposed of, and the blob stays', async () => {
      await using opened = await open()
      const { store } = opened
      const bytes = randomBytes(300_001)
      await store.put('a/b-1.bin', pieces(bytes, 'end'))
      {
        await using file = await store.localPath('a/b-1.bin')
        expect((await readFile(file.path)).equals(bytes)).toBe(true)
      }
      expect(await opened.residue()).toHaveLength(1)
      expect(await store.size('a/b-1.bin')).toBe(bytes.length)
    })

    test('what begins with a prefix is listed, in the order of keys', async () => {
      await using opened = await open()
      const { store } = opened
      const before = Date.now()
      const keys = Array.from({ length: 12 }, (_, i) => `checkpoints/manifest-${String(i).padStart(6, '0')}`)
      const others = ['checkpoints/a/segment', 'checkpoints/b', 'checkpoint', 'other/manifest-000001']
      for (const key of [...others, ...keys.toReversed()])
        await store.put(key, Readable.from([Buffer.from(key)]))
      const listed = async (prefix: string) => {
        const found: BlobEntry[] = []
        for await (const entry of store.list(prefix)) found.push(entry)
        return found
      }
      const manifests = await listed('checkpoints/manifest-')
      expect(manifests.map(({ key, bytes }) => ({ key, bytes }))).toEqual(
        keys.map((key) => ({ key, bytes: key.length })),
      )
      // In steps of a second, by a clock that is not ours.
      for (const { modifiedAt } of manifests)
        expect(Math.abs(modifiedAt.getTime() - before)).toBeLessThan(600_000)
      expect((await listed('')).map(({ key }) => key)).toEqual([...others, ...keys].sort())
      expect((await listed('checkpoints/')).map(({ key }) => key)).not.toContain('checkpoint')
      expect(await listed('none/')).toEqual([])
      await store.delete(keys[3] ?? '')
      expect(await listed('checkpoints/manifest-')).toHaveLength(11)
      for (const prefix of ['/', '../', 'a//', 'A', 'a/.'])
        await expect(listed(prefix)).rejects.toThrow('not the beginning of a blob key')
    })

    test('a large blob comes back whole, and over a taken key leaves nothing', async () => {
      await using opened = await open()
      const { store } = opened
      const bytes = randomBytes(large)
      const put = (body: Buffer) => store.put('large', Readable.from(inChunks(body), { objectMode: false }))
      expect(await put(bytes)).toEqual({ bytes: large, sha256: sha256(bytes) })
      expect(sha256(await buffer(await store.get('large')))).toBe(sha256(bytes))
      const tail = await buffer(await store.get('large', { start: large - 10, end: large - 1 }))
      expect(tail.equals(bytes.subarray(-10))).toBe(true)
      await expect(put(randomBytes(large))).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await opened.residue()).toHaveLength(1)
      expect(sha256(await buffer(await store.get('large')))).toBe(sha256(bytes))
    })

    test('a large blob whose sender dies, passes the cap or is aborted leaves nothing', async () => {
      await using opened = await open()
      const { store } = opened
      const bytes = randomBytes(large)
      async function* dying() {
        yield* inChunks(bytes)
        throw new Error('the sender went away')
      }
      const body = (from: AsyncIterable<Buffer> | Iterable<Buffer>) =>
        Readable.from(from, { objectMode: false })
      await expect(store.put('x', body(dying()))).rejects.toThrow('went away')
      await expect(store.put('x', body(inChunks(bytes)), { maxBytes: large - 1 })).rejects.toMatchObject({
        code: 'TOO_LARGE',
      })
      const controller = new AbortController()
      async function* stalling() {
        yield* inChunks(bytes)
        controller.abort(new Error('given up'))
        await new Promise(() => {})
      }
      await expect(store.put('x', body(stalling()), { signal: controller.signal })).rejects.toThrow(
        'given up',
      )
      expect(await store.size('x')).toBeNull()
      expect(await opened.residue()).toEqual([])
      await store.put('x', body(inChunks(bytes)))
    })

    test('a stream that closed before its end is no blob', async () => {
      await using opened = await open()
      const body = new Readable({ read() {} })
      body.push(randomBytes(1_000))
      const put = opened.store.put('cut', body)
      setImmediate(() => body.destroy())
      await expect(put).rejects.toThrow(/closed before its end|Premature close/)
      const gone = new Readable({ read() {} }).destroy()
      await expect(opened.store.put('gone', gone)).rejects.toThrow(/closed before its end|Premature close/)
      expect(await opened.residue()).toEqual([])
    })

    test('a presigned address is for one key, or there is none', async () => {
      await using opened = await open()
      const signed = await opened.store.presignPut('signed/one', { bytes: 10, seconds: 60 })
      if (signed !== null) expect(new URL(signed.url).pathname).toMatch(/\/signed\/one$/)
      expect(await opened.residue()).toEqual([])
    })

    test('it says when it works, and a sweep takes nothing that is used', async () => {
      await using opened = await open()
      const { store } = opened
      await store.check()
      await store.put('kept', pieces(randomBytes(1_000), 'end'))
      await using file = await store.localPath('kept')
      const body = new Readable({ read() {} })
      const writing = store.put('slow', body)
      body.push(randomBytes(large))
      await store.sweep()
      expect((await readFile(file.path)).length).toBe(1_000)
      body.push(null)
      expect((await writing).bytes).toBe(large)
      expect(await store.size('kept')).toBe(1_000)
    })

    test('an empty blob is a blob', async () => {
      await using opened = await open()
      expect(await opened.store.put('empty', Readable.from([]))).toEqual({
        bytes: 0,
        sha256: sha256(Buffer.alloc(0)),
      })
      expect(await opened.store.size('empty')).toBe(0)
    })

    test('what is not there is NOT_FOUND, its size null, and deleting it no error', async () => {
      await using opened = await open()
      await expect(opened.store.get('none/here')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(opened.store.localPath('none/here')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await opened.store.size('none/here')).toBeNull()
      await opened.store.delete('none/here')
    })

    test('a deleted blob is gone and its neighbours are not', async () => {
      await using opened = await open()
      const { store } = opened
      for (const key of ['d/a', 'd/a.txt', 'd/ab']) await store.put(key, Readable.from([Buffer.from(key)]))
      await store.delete('d/a')
      expect(await store.size('d/a')).toBeNull()
      expect(await store.size('d/a.txt')).toBe(7)
      expect(await store.size('d/ab')).toBe(4)
    })

    test('a key that is taken is refused and its blob untouched', async () => {
      await using opened = await open()
      await opened.store.put('once', Readable.from([Buffer.from('first')]))
      await expect(opened.store.put('once', Readable.from([Buffer.from('second')]))).rejects.toMatchObject({
        code: 'CONFLICT',
      })
      expect((await buffer(await opened.store.get('once'))).toString()).toBe('first')
    })

    test.each([['small', 20, 5_000] as const, ...(largeRace ? [['large', 4, large] as const] : [])])(
      'of many writers of one key exactly one wins, and its bytes stay: %s blobs',
      async (_, writers, bytes) => {
        await using opened = await open()
        for (const key of ['manifest-000001', 'manifest-000002']) {
          const results = await Promise.allSettled(
            Array.from({ length: writers }, () =>
              opened.store.put(key, Readable.from(inChunks(randomBytes(bytes)), { objectMode: false })),
            ),
          )
          const won = results.filter((result) => result.status === 'fulfilled')
          const lost = results.filter((result) => result.status === 'rejected')
          expect(won).toHaveLength(1)
          expect(lost.map(({ reason }) => reason.code)).toEqual(Array(writers - 1).fill('CONFLICT'))
          expect(won[0]?.value.sha256).toBe(sha256(await buffer(await opened.store.get(key))))
        }
        expect(await opened.residue()).toHaveLength(2)
      },
    )

    test.each([
      ['a cap that is passed', 'end', 9_999, 'TOO_LARGE'],
      ['a sender that dies', 'fail', undefined, undefined],
    ] as const)('%s leaves nothing behind', async (_, then, maxBytes, code) => {
      await using opened = await open()
      const body = pieces(randomBytes(10_000), then)
      const put = opened.store.put('x/y', body, maxBytes === undefined ? {} : { maxBytes })
      if (code === undefined) await expect(put).rejects.toThrow('went away')
      else await expect(put).rejects.toMatchObject({ code })
      expect(body.destroyed).toBe(true)
      expect(await opened.store.size('x/y')).toBeNull()
      expect(await opened.residue()).toEqual([])
    })

    test('exactly the cap is allowed', async () => {
      await using opened = await open()
      const put = await opened.store.put('x', pieces(randomBytes(10_000), 'end'), { maxBytes: 10_000 })
      expect(put.bytes).toBe(10_000)
    })

    test('aborting while the sender stalls ends the put and leaves nothing', async () => {
      await using opened = await open()
      const controller = new AbortController()
      const body = pieces(randomBytes(10_000), 'stall')
      const put = opened.store.put('x', body, { signal: controller.signal })
      setImmediate(() => controller.abort(new Error('given up')))
      await expect(put).rejects.toThrow('given up')
      await expect(
        opened.store.put('x', pieces(randomBytes(10), 'end'), { signal: controller.signal }),
      ).rejects.toThrow('given up')
      expect(await opened.residue()).toEqual([])
    })

    test('nothing of a blob is visible before all of it is there', async () => {
      await using opened = await open()
      const { store } = opened
      const body = new Readable({ read() {} })
      const put = store.put('slow', body)
      for (let i = 0; i < 20; i++) {
        body.push(randomBytes(1_000))
        await new Promise((resolve) => setImmediate(resolve))
        expect(await store.size('slow')).toBeNull()
      }
      body.push(null)
      await put
      expect(await store.size('slow')).toBe(20_000)
    })

    test.each([
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      '.',
      'a/.b',
      'A',
      'a b',
      'a\0',
      'ä',
      'a\\b',
      'x'.repeat(201),
    ])('the key %j is refused everywhere', async (key) => {
      await using opened = await open()
      const { store } = opened
      expect(() => checkKey(key)).toThrow('not a blob key')
      await expect(store.put(key, Readable.from([]))).rejects.toThrow('not a blob key')
      await expect(store.get(key)).rejects.toThrow('not a blob key')
      await expect(store.size(key)).rejects.toThrow('not a blob key')
      await expect(store.delete(key)).rejects.toThrow('not a blob key')
      await expect(store.localPath(key)).rejects.toThrow('not a blob key')
      await expect(store.presignPut(key, { bytes: 1, seconds: 1 })).rejects.toThrow('not a blob key')
      expect(await opened.residue()).toEqual([])
    })
  })
}
