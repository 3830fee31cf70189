// What every blob store promises. An adapter's test hands in an empty store and a way to list what it holds.
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { type BlobStore, checkKey } from './port.ts'

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

export function blobStoreCases(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name} keeps the blob store's promises`, () => {
    test('what was put comes back, whole, by range and as a local file', async () => {
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
      expect((await readFile(await store.localPath('a/b-1.bin'))).equals(bytes)).toBe(true)
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

    test('of many writers of one key exactly one wins', async () => {
      await using opened = await open()
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, () => opened.store.put('race', pieces(randomBytes(5_000), 'end'))),
      )
      const won = results.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      const stored = await buffer(await opened.store.get('race'))
      expect(won[0]?.value.sha256).toBe(sha256(stored))
      expect(await opened.residue()).toHaveLength(1)
    })

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
      expect(await opened.residue()).toEqual([])
    })
  })
}
