// What a workshop does not do, whoever orders it: make an image of other files than are meant, boot another disk, follow S3 elsewhere.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { VirtualClock } from '../../aws/stand-in/clock.ts'
import { checksumOf } from '../upload/disk.ts'
import type { Answer, Order } from './orders.ts'
import { httpWire, Refused } from './wire.ts'
import { work } from './workshop.ts'

let folder: string
let done: string[]
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-workshop-'))
  done = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => `https://s3.example.com/${name}`
const HEAD = { id: '0'.repeat(16), answer: at('answer'), progress: at('progress'), orders: at('next') }

/** @param objects what is there, by name. @returns its answer to one order; it has nothing to do then, and ends */
async function answerTo(order: object, objects: Record<string, string> = {}): Promise<Answer> {
  const there = new Map(Object.entries({ ...objects, orders: JSON.stringify({ ...HEAD, ...order }) }))
  const nameIn = (url: string) => url.slice(at('').length)
  await work({
    builder: {
      lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
      make: async () => {
        done.push('make')
        return { bytes: 1, allocatedBytes: 1 }
      },
      boot: async (disks) => {
        done.push(`boot ${Object.keys(disks).join(' ')}`)
        return { api: 1, web: 1 }
      },
    },
    pages: { build: () => 'one', files: async () => ({ sha256: '', text: '{}' }) },
    wire: {
      get: async (url) => {
        if (nameIn(url) === 'next') throw new Refused('no more')
        const text = there.get(nameIn(url))
        return text === undefined ? undefined : Buffer.from(text)
      },
      put: async (url, body) => void there.set(nameIn(url), body.toString()),
    },
    clock: new VirtualClock(),
    folder,
    orders: at('orders'),
    say: () => undefined,
  }).catch((error: unknown) => expect(error).toBeInstanceOf(Refused))
  return JSON.parse(there.get('answer') ?? '')
}

test('it ends when nobody has asked for anything for half an hour', async () => {
  const clock = new VirtualClock()
  const began = clock.now().getTime()
  const minutes = () => (clock.now().getTime() - began) / 60_000
  const said: string[] = []
  const never = async () => Promise.reject(new Error('nobody asks for that'))
  await work({
    builder: { lists: never, make: never, boot: never },
    pages: { build: () => 'one', files: never },
    wire: {
      get: async () => {
        if (minutes() > 120) throw new Refused('it waits on')
        return undefined
      },
      put: never,
    },
    ...{ clock, folder, orders: at('orders'), say: (line) => void said.push(line) },
  })
  expect(said).toEqual(['ready', 'nobody asks for anything any more'])
  expect(minutes()).toBeGreaterThanOrEqual(30)
})

test('static files that are not those that are meant are in no image', async () => {
  const make: Partial<Order> = {
    ...{ do: 'make', tier: 'web', release: '1', madeAt: '2026-11-28T12:00:00Z' },
    previous: { sha256: createHash('sha256').update('{}').digest('hex'), at: at('static') },
  }
  for (const objects of [{ static: '{"a.js":""}' }, {}] as Record<string, string>[])
    expect(await answerTo(make, objects)).toMatchObject({
      is: 'failed',
      message: expect.stringContaining('are not those that came'),
    })
  expect(done).toEqual([])
  await answerTo(make, { static: '{}' })
  expect(done).toEqual(['make'])
})

test('a disk that is another one than is meant is not booted, nor is one without the other', async () => {
  mkdirSync(folder, { recursive: true })
  for (const tier of ['api', 'web']) writeFileSync(path.join(folder, `${tier}.raw`), tier)
  const sums = {
    api: await checksumOf(path.join(folder, 'api.raw')),
    web: await checksumOf(path.join(folder, 'web.raw')),
  }
  const other = { ...sums, web: 'f'.repeat(64) }
  expect(await answerTo({ do: 'boot', disks: other })).toEqual({ is: 'done', result: { missing: ['web'] } })
  expect(done).toEqual([])
  expect(await answerTo({ do: 'boot', disks: sums })).toMatchObject({ is: 'done', result: { seconds: {} } })
  expect(done).toEqual(['boot api web'])
})

test('nobody but S3 itself gets what is sent, or gives what is read', async () => {
  const asked: string[] = []
  const serve = async (listener: RequestListener) => {
    const server = createServer(listener).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const elsewhere = await serve((request, response) => {
    asked.push(request.method ?? '')
    response.end('{}')
  })
  const s3 = await serve((request, response) => {
    request.resume()
    response.writeHead(307, { location: elsewhere }).end()
  })
  const wire = httpWire(new VirtualClock())
  await expect(wire.get(s3)).rejects.toThrow('S3 does not answer GET')
  await expect(wire.put(s3, Buffer.from('a disk'))).rejects.toThrow('S3 does not answer PUT')
  expect(asked).toEqual([])
})
