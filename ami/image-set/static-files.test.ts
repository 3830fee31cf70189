import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { writeParts } from './parts.ts'
import { packStatic, readStatic, type StaticFiles, unpackStatic } from './static-files.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const INPUTS = 'a'.repeat(64)
let folder: string
let world: StandIn
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-static-'))
  world = standIn(HOME.account, HOME.region)
  world.buckets.make(stateBucket(HOME))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(place: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, place, name)), { recursive: true })
    writeFileSync(path.join(folder, place, name), content)
  }
  return path.join(folder, place)
}
const read = (files: StaticFiles) =>
  readStatic(world.aws, HOME, { inputs: INPUTS, pages: { files: files.sha256 } })

test('what was kept comes back byte for byte, and its name says nothing but what is in it', async () => {
  const binary = Buffer.from([0, 255, 10, 13])
  const one = packStatic(
    write('one', { 'chunks/b-~1.js': 'b', 'chunks/a.woff2': binary, 'x1/_buildManifest.js': '' }),
  )
  const other = packStatic(
    write('two', { 'x1/_buildManifest.js': '', 'chunks/a.woff2': binary, 'chunks/b-~1.js': 'b' }),
  )
  expect(one).toEqual(other)
  const written = { key: LAYOUT.staticFiles(one.sha256), text: one.text }
  await writeParts(world.aws, HOME, [written])
  await writeParts(world.aws, HOME, [written])
  unpackStatic(await read(one), path.join(folder, 'back'))
  expect(readdirSync(path.join(folder, 'back'), { recursive: true }).toSorted()).toEqual(
    readdirSync(path.join(folder, 'one'), { recursive: true }).toSorted(),
  )
  expect(readFileSync(path.join(folder, 'back/chunks/a.woff2'))).toEqual(binary)
  expect(packStatic(write('three', { 'chunks/b-~1.js': 'c' })).sha256).not.toBe(one.sha256)
})

test('a link is no file of them', () => {
  const place = write('one', { 'a.js': 'a' })
  symlinkSync('/etc/passwd', path.join(place, 'b.js'))
  expect(JSON.parse(packStatic(place).text)).toEqual({ 'a.js': 'YQ==' })
})

test.each(['../a.js', '/a.js', 'chunks/../../a.js', 'chunks//a.js', '.hidden', 'a\0.js'])(
  'a file %j that would lie elsewhere is not unpacked, nor is anything beside it',
  (name) => {
    const text = JSON.stringify({ 'fine.js': 'YQ==', [name]: 'YQ==' })
    expect(() => unpackStatic({ sha256: '', text }, path.join(folder, 'in/it'))).toThrow()
    expect(readdirSync(folder)).toEqual([])
  },
)

test('files that are gone, changed, or were never kept are said, with the way out', async () => {
  const files = packStatic(write('one', { 'a.js': 'a' }))
  await expect(read(files)).rejects.toThrow(/set aaaaaaaaaaaa should be s3:.*not there.*--previous none/)
  world.buckets.write(stateBucket(HOME), LAYOUT.staticFiles(files.sha256), '{"a.js":"Yg=="}')
  await expect(read(files)).rejects.toThrow('are not those that it was made with')
  await expect(readStatic(world.aws, HOME, { inputs: INPUTS })).rejects.toThrow('were not kept')
})
