import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readZipEntry } from './zip.ts'

function zip(entries: readonly { name: string; data: Buffer; method: 0 | 8 }[]): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, data, method } of entries) {
    const packed = method === 8 ? deflateRawSync(data) : data
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(method, 8)
    local.writeUInt32LE(packed.length, 18)
    local.writeUInt32LE(data.length, 22)
    local.writeUInt16LE(name.length, 26)
    // The local header's extra field may differ from the directory's: what counts is its own length.
    local.writeUInt16LE(4, 28)
    const header = Buffer.alloc(46)
    header.writeUInt32LE(0x02014b50, 0)
    header.writeUInt16LE(method, 10)
    header.writeUInt32LE(packed.length, 20)
    header.writeUInt32LE(data.length, 24)
    header.writeUInt16LE(name.length, 28)
    header.writeUInt32LE(offset, 42)
    const whole = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), packed])
    locals.push(whole)
    central.push(header, Buffer.from(name))
    offset += whole.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

const text = Buffer.from('weights '.repeat(1_000))
const archive = zip([
  { name: 'first.txt', data: Buffer.from('one'), method: 0 },
  { name: 'dir/second.bin', data: text, method: 8 },
])

test('stored and deflated entries come out as they went in', () => {
  expect(readZipEntry(archive, 'first.txt', 10).toString()).toBe('one')
  expect(readZipEntry(archive, 'dir/second.bin', text.length)).toEqual(text)
})

test('an entry that unpacks to more than it may is refused', () => {
  expect(() => readZipEntry(archive, 'dir/second.bin', 100)).toThrow()
})

test('what is not there, and what is no archive, are refused', () => {
  expect(() => readZipEntry(archive, 'third', 10)).toThrow(/no third/)
  expect(() => readZipEntry(Buffer.from('hello'), 'first.txt', 10)).toThrow(/not a zip/)
})
