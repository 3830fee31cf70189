// Files in pieces: whole at the other end, or not at all.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { goodsOf, goodsSchema, receiveFile, sendFile } from './parcels.ts'

const MIB = 2 ** 20
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-parcels-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => path.join(folder, name)

/** Of 70 MiB, nearly all of it a hole. */
async function sent() {
  writeFileSync(at('disk'), 'begin')
  truncateSync(at('disk'), 70 * MIB)
  writeFileSync(at('disk'), 'end', { flag: 'a' })
  const pieces: Buffer[] = []
  const goods = await goodsOf(at('disk'))
  await sendFile(at('disk'), goods, async (index, packed) => {
    pieces[index] = packed
  })
  return { goods, pieces }
}
const piecesOf = (pieces: readonly Buffer[]) => async (index: number) => pieces[index] ?? Buffer.alloc(0)

test('a sparse file arrives whole and sparse, and little of it is sent', async () => {
  const { goods, pieces } = await sent()
  expect(pieces).toHaveLength(3)
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(MIB)
  await receiveFile(at('there'), goods, piecesOf(pieces))
  expect(readFileSync(at('there')).equals(readFileSync(at('disk')))).toBe(true)
  expect(statSync(at('there')).blocks * 512).toBeLessThan(MIB)
})

test.each<[string, (pieces: Buffer[]) => void]>([
  ['is torn', (pieces) => pieces.splice(1, 1, Buffer.from('torn'))],
  ['is another one', (pieces) => pieces.splice(1, 1, pieces[2] ?? Buffer.alloc(0))],
  ['is as long, and other', (pieces) => pieces.splice(1, 1, zstdCompressSync(Buffer.alloc(32 * MIB, 1)))],
  ['is longer than was said', (pieces) => pieces.splice(1, 1, zstdCompressSync(Buffer.alloc(33 * MIB)))],
])('a piece that %s is refused, and nothing of the file is there', async (_what, change) => {
  const { goods, pieces } = await sent()
  change(pieces)
  await expect(receiveFile(at('there'), goods, piecesOf(pieces))).rejects.toThrow('its checksum differs')
  expect(readdirSync(folder)).toEqual(['disk'])
})

test('pieces that are more than the file are refused, and nothing of it is there', async () => {
  const { goods, pieces } = await sent()
  const shorter = { ...goods, bytes: goods.bytes - 1 }
  await expect(receiveFile(at('there'), shorter, piecesOf(pieces))).rejects.toThrow('is not what was sent')
  expect(readdirSync(folder)).toEqual(['disk'])
})

test('what a file consists of is all of it, in its order and once', async () => {
  const { goods } = await sent()
  const isGoods = (parcels: unknown, bytes = goods.bytes) => goodsSchema.safeParse({ bytes, parcels }).success
  const [first, second, third] = goods.parcels
  expect(isGoods(goods.parcels)).toBe(true)
  expect(isGoods([first, third])).toBe(false)
  expect(isGoods([second, third])).toBe(false)
  expect(isGoods([first, second])).toBe(false)
  expect(isGoods([first, second, second, third])).toBe(false)
  expect(isGoods(goods.parcels, goods.bytes + 1)).toBe(false)
})

test('a full disk is a sentence, and nothing of the file is left', async () => {
  const { goods } = await sent()
  const full = async () => Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' }))
  await expect(receiveFile(at('there'), goods, full)).rejects.toThrow(
    /The disk that holds .* is full: it has 71 MiB/,
  )
  expect(existsSync(at('there.part'))).toBe(false)
})
