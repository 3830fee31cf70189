// The EBS direct APIs: a snapshot that is written block by block.
import { createHash } from 'node:crypto'
import {
  CompleteSnapshotCommand,
  PutSnapshotBlockCommand,
  type PutSnapshotBlockCommandInput,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs'
import {
  DeleteSnapshotCommand,
  DescribeSnapshotsCommand,
  type DescribeSnapshotsCommandInput,
} from '@aws-sdk/client-ec2'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'

const BLOCK_BYTES = 524_288
const NOTHING = 'snap-00000000000000abc'
export const TAG = { Key: 'terrace-calls', Value: 'blocks' }
const FIRST = { ClientToken: 'terrace-calls-1', Tags: [TAG] }

const hashed = (data: Uint8Array) => createHash('sha256').update(data).digest()
const filled = (byte: number) => Buffer.alloc(BLOCK_BYTES, byte)

const start = (more: Partial<StartSnapshotCommandInput>, keep?: string) => async (aws: Aws, kept: Kept) => {
  const answer = await aws.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ...more }))
  if (keep !== undefined) kept.set(keep, answer.SnapshotId ?? '')
  const { BlockSize, VolumeSize, Status } = answer
  return { BlockSize, VolumeSize, Status }
}
const put =
  (BlockIndex: number, more: Partial<PutSnapshotBlockCommandInput> = {}) =>
  async (aws: Aws, kept: Kept) => {
    const data = filled(BlockIndex)
    const { Checksum, ChecksumAlgorithm } = await aws.ebs.send(
      new PutSnapshotBlockCommand({
        SnapshotId: kept.get('written') ?? NOTHING,
        BlockIndex,
        BlockData: data,
        DataLength: BLOCK_BYTES,
        Checksum: hashed(data).toString('base64'),
        ChecksumAlgorithm: 'SHA256',
        ...more,
      }),
    )
    return { isItsOwn: Checksum === hashed(data).toString('base64'), ChecksumAlgorithm }
  }
const complete = (blocks: number, indexes?: readonly number[]) => async (aws: Aws, kept: Kept) => {
  const { Status } = await aws.ebs.send(
    new CompleteSnapshotCommand({
      SnapshotId: kept.get('written') ?? NOTHING,
      ChangedBlocksCount: blocks,
      ...(indexes && {
        Checksum: hashed(Buffer.concat(indexes.map((index) => hashed(filled(index))))).toString('base64'),
        ChecksumAlgorithm: 'SHA256',
        ChecksumAggregationMethod: 'LINEAR',
      }),
    }),
  )
  return { Status }
}

const described = (input: (kept: Kept) => DescribeSnapshotsCommandInput) => async (aws: Aws, kept: Kept) => {
  const { Snapshots = [] } = await aws.ec2.send(new DescribeSnapshotsCommand(input(kept)))
  return Snapshots.map(({ State, Progress, VolumeSize, Encrypted, Tags }) => ({
    State,
    Progress,
    VolumeSize,
    Encrypted,
    Tags,
  }))
}
const byId = (kept: Kept) => ({ SnapshotIds: [kept.get('written') ?? NOTHING] })
/** By a tag, and no other one than that which was written: what is refused in AWS may be there too. */
const tagged = (kept: Kept, owner: string, tag: string = TAG.Value) => ({
  OwnerIds: [owner],
  Filters: [
    { Name: `tag:${TAG.Key}`, Values: [tag] },
    { Name: 'snapshot-id', Values: [kept.get('written') ?? NOTHING] },
    { Name: 'status', Values: ['completed'] },
  ],
})
const remove = (name: string) => (aws: Aws, kept: Kept) =>
  aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: kept.get(name) ?? name })).then(() => ({}))

export const BLOCK_CALLS: readonly Call[] = [
  { what: 'blocks: begin', ask: start(FIRST, 'written') },
  {
    what: 'blocks: begin again, with the same token',
    ask: async (aws, kept) => {
      await start(FIRST, 'again')(aws, kept)
      return { same: kept.get('again') === kept.get('written') }
    },
  },
  { what: 'blocks: begin another one with that token', ask: start({ ...FIRST, VolumeSize: 2 }) },
  { what: 'blocks: begin of a size that no volume has', ask: start({ VolumeSize: 65_537 }) },
  { what: 'blocks: begin, to be done in nine minutes', ask: start({ Timeout: 9 }) },
  {
    what: 'blocks: begin with a key, and not encrypted',
    ask: start({ KmsKeyArn: 'arn:aws:kms:eu-west-1:111122223333:key/k' }),
  },
  { what: 'blocks: begin on a parent that is not there', ask: start({ ParentSnapshotId: NOTHING }) },
  {
    what: 'blocks: begin on a parent, and encrypted',
    ask: (aws, kept) =>
      start({ ParentSnapshotId: kept.get('written') ?? NOTHING, Encrypted: true })(aws, kept),
  },
  { what: 'blocks: begin with a tag of AWS’s own', ask: start({ Tags: [{ Key: 'aws:x', Value: 'y' }] }) },
  { what: 'blocks: begin with a long description', ask: start({ Description: 'x'.repeat(256) }) },
  { what: 'blocks: put', ask: put(0) },
  { what: 'blocks: put again', ask: put(0) },
  { what: 'blocks: put the last one', ask: put(2047) },
  { what: 'blocks: put beyond the end', ask: put(2048) },
  {
    what: 'blocks: put with a checksum of others',
    ask: put(1, { Checksum: hashed(filled(9)).toString('base64') }),
  },
  {
    what: 'blocks: put half a block',
    ask: put(1, {
      BlockData: filled(1).subarray(512),
      DataLength: BLOCK_BYTES - 512,
      Checksum: hashed(filled(1).subarray(512)).toString('base64'),
    }),
  },
  { what: 'blocks: put into nothing', ask: put(1, { SnapshotId: NOTHING }) },
  { what: 'blocks: the snapshot meanwhile', ask: described(byId) },
  { what: 'blocks: complete with another number', ask: complete(3) },
  { what: 'blocks: complete with a checksum in another order', ask: complete(2, [2047, 0]) },
  { what: 'blocks: complete', ask: complete(2, [0, 2047]) },
  {
    what: 'blocks: put once it is complete',
    ask: async (aws, kept) => {
      await aws.clock.sleep(60_000)
      return put(1)(aws, kept)
    },
  },
  { what: 'blocks: complete again', ask: complete(2, [0, 2047]) },
  { what: 'snapshots: one', ask: described(byId) },
  { what: 'snapshots: one that is not there', ask: described(() => ({ SnapshotIds: [NOTHING] })) },
  { what: 'snapshots: one’s own, by a tag', ask: described((kept) => tagged(kept, 'self')) },
  { what: 'snapshots: by a tag that none has', ask: described((kept) => tagged(kept, 'self', 'none')) },
  { what: 'snapshots: somebody else’s', ask: described((kept) => tagged(kept, '999988887777')) },
  {
    what: 'snapshots: by what can’t be asked for',
    ask: (aws) =>
      aws.ec2
        .send(new DescribeSnapshotsCommand({ Filters: [{ Name: 'colour', Values: ['red'] }] }))
        .then(() => ({})),
  },
  {
    what: 'snapshots: delete of one that is being written',
    ask: async (aws, kept) => {
      await start({}, 'left')(aws, kept)
      return remove('left')(aws, kept)
    },
  },
  { what: 'snapshots: delete of one that is not there', ask: remove(NOTHING) },
]
