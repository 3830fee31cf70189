// What a lock and a pointer in the state bucket stand on: S3's conditional writes.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Aws } from '../../../aws/port.ts'
import { type Visit, visit } from './visit.ts'

const AT_ONCE = 20
const Key = 'lock.json'
let here: Visit
let aws: Aws
let Bucket = ''
beforeAll(async () => {
  here = await visit()
  aws = here.aws
  Bucket = `terrace-test-${here.account}-${Date.now().toString(36)}`
  await aws.s3.send(
    new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
  )
})
afterAll(async () => {
  await aws.s3.send(new DeleteObjectCommand({ Bucket, Key }))
  await aws.s3.send(new DeleteBucketCommand({ Bucket }))
  here[Symbol.dispose]()
})

const status = (error: unknown) =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
const put = (Body: string, condition: { IfNoneMatch?: string; IfMatch?: string }) =>
  aws.s3.send(new PutObjectCommand({ Bucket, Key, Body, ...condition })).then(
    ({ ETag }) => ({ ok: true as const, ETag: ETag ?? '', Body }),
    // 409: two were written in the same moment, and AWS settled on neither of them for this one.
    (error: unknown) => ({ ok: false as const, status: status(error) }),
  )
const held = async () => (await aws.s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()

test(`of ${AT_ONCE} that take the lock at once exactly one has it`, async () => {
  const tries = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, i) => put(`holder ${i}`, { IfNoneMatch: '*' })),
  )
  const [winner, ...others] = tries.filter((one) => one.ok)
  expect(others).toEqual([])
  expect(await held()).toBe(winner?.Body)
  for (const one of tries) if (!one.ok) expect([409, 412]).toContain(one.status)
})

test(`of ${AT_ONCE} that renew what they have read at once exactly one does, and the next one has to read again`, async () => {
  const { ETag = '' } = await aws.s3.send(new GetObjectCommand({ Bucket, Key }))
  const tries = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, i) => put(`renewed by ${i}`, { IfMatch: ETag })),
  )
  const [winner, ...others] = tries.filter((one) => one.ok)
  expect(others).toEqual([])
  expect(await held()).toBe(winner?.Body)
  expect(await put('late', { IfMatch: ETag })).toMatchObject({ ok: false, status: 412 })
  expect(await put('again', { IfMatch: winner?.ETag ?? '' })).toMatchObject({ ok: true })
})

test('what another one has meanwhile renewed is not given up', async () => {
  const { ETag = '' } = await aws.s3.send(new GetObjectCommand({ Bucket, Key }))
  await put('theirs', {})
  await expect(
    aws.s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: ETag })).catch((error: unknown) => {
      throw status(error)
    }),
  ).rejects.toBe(412)
  expect(await held()).toBe('theirs')
})
