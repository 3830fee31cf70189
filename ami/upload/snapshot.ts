// A disk becomes a snapshot: begun, filled, sealed, completed. Each step is in the journal before and after it, and each
// may have been taken by a run that was ended: what AWS has decides, the journal says where to look.
import {
  CompleteSnapshotCommand,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs'
import { DeleteSnapshotCommand, DescribeSnapshotsCommand, type Snapshot } from '@aws-sdk/client-ec2'
import { BakeFailure } from '../ledger/failure.ts'
import type { Resource } from '../ledger/ledger.ts'
import { tagsOf } from '../ledger/tags.ts'
import type { Baking, BuiltTier } from './baking.ts'
import { openDigestLog, removeDigestLog } from './digest-log.ts'
import { changed, openDisk, volumeFor } from './disk.ts'
import { isInvalid, isUnknown, passing, persist } from './persist.ts'
import { type Blocks, putBlocks } from './put-blocks.ts'
import { until } from './wait.ts'

/** Minutes without a block after which AWS gives a snapshot up: time to continue one after a night. */
const TIMEOUT_MINUTES = 24 * 60
const PATIENCE_MS = 5 * 60_000
/** What was just made may not be found yet. */
const UNSEEN_MS = 2 * 60_000
/** AWS takes seconds, and sometimes much longer. */
const COMPLETED_MS = 60 * 60_000

export const snapshotName = (tier: string): string => `${tier} snapshot`
const logOf = (baking: Baking, id: string) => `${baking.folder}/${id}.blocks`

/** @returns id of a completed snapshot of the disk */
export async function makeSnapshot(baking: Baking, built: BuiltTier): Promise<string> {
  const { ledger, say } = baking
  const name = snapshotName(built.tier)
  const before = ledger.find(name)
  if (before?.id !== undefined) {
    const { State: state } = (await describe(baking, before.id)) ?? {}
    if (state === 'error' || state === undefined) {
      say(`${before.id} is ${state === 'error' ? 'given up by AWS' : 'gone'}: another one is begun.`)
      await removeSnapshot(baking, before)
    }
  }
  const begun = await begin(baking, built)
  const id = idOf(begun)
  // With `sealing` every block was confirmed: sealing it is all that may be left to do.
  const sealed = begun.sealing === true && (await describe(baking, id))?.State === 'completed'
  if (!sealed) await fill(baking, built, begun)
  await completed(baking, id)
  await removeDigestLog(logOf(baking, id))
  return id
}

async function begin(baking: Baking, built: BuiltTier): Promise<Resource> {
  const { aws, ledger, say, signal } = baking
  const name = snapshotName(built.tier)
  const known = ledger.find(name)
  if (known?.state === 'made') return known
  const resource = known ?? (await ledger.asked(await newSnapshot(baking, built)))
  const id = await started(aws, resource, signal)
  if (id === undefined) throw new Error('AWS began a snapshot and does not say which')
  say(`${built.tier}: snapshot ${id}`)
  return ledger.made(name, id)
}

/** Begun, or found by its token, when it was before. */
async function started(
  aws: Baking['aws'],
  resource: Resource,
  signal: Baking['signal'],
): Promise<string | undefined> {
  const request = resource.request as unknown as StartSnapshotCommandInput
  const { SnapshotId: id } = await persist(
    aws.clock,
    PATIENCE_MS,
    signal,
    (error) => passing(error) !== undefined,
    () => aws.ebs.send(new StartSnapshotCommand({ ...request, ClientToken: resource.token })),
  )
  return id
}

async function newSnapshot({ ledger, key }: Baking, built: BuiltTier) {
  await using disk = await openDisk(built.file)
  const tries = ledger.state.resources.filter(({ name }) => name === snapshotName(built.tier)).length
  const label = `terrace ${built.tier} ${ledger.state.inputs.slice(0, 12)}`
  const request: StartSnapshotCommandInput = {
    VolumeSize: volumeFor(disk, built.volumeGiB),
    Description: `${label}, bake ${ledger.state.bake}`,
    Tags: tagsOf(ledger.state, label),
    Timeout: TIMEOUT_MINUTES,
    Encrypted: true,
    ...(key !== undefined && { KmsKeyArn: key }),
  }
  return {
    name: snapshotName(built.tier),
    kind: 'snapshot' as const,
    token: `${ledger.state.bake}-${built.tier}-${tries + 1}`,
    request: { ...request } as Record<string, unknown>,
  }
}

async function fill(baking: Baking, built: BuiltTier, begun: Resource): Promise<void> {
  const { aws, ledger, signal } = baking
  const id = idOf(begun)
  await using disk = await openDisk(built.file)
  await using confirmed = await openDigestLog(logOf(baking, id), disk.blocks)
  const mayBeSealed = begun.sealing === true
  try {
    const blocks = await putBlocks(aws, {
      snapshot: id,
      disk,
      confirmed,
      signal,
      ...(baking.workers !== undefined && { workers: baking.workers }),
      progress: (progress) => baking.progress(built.tier, progress),
    })
    if (blocks.checksum.toString('hex') !== built.checksum) throw changed(built.file)
    if (!mayBeSealed) await ledger.sealing(begun.name)
    await seal(baking, id, blocks, mayBeSealed)
  } catch (error) {
    // An earlier call sealed it, though nobody heard the answer: then no block and no second seal is taken, and it completes.
    const isLate = mayBeSealed && isInvalid(error instanceof BakeFailure ? error.cause : error)
    if (!isLate) throw error
  }
  signal?.throwIfAborted()
}

async function seal({ aws, signal }: Baking, id: string, blocks: Blocks, wasTried: boolean): Promise<void> {
  let unsure = wasTried
  try {
    await persist(
      aws.clock,
      PATIENCE_MS,
      signal,
      (error) => {
        if (passing(error) === 'again') unsure = true
        return passing(error) !== undefined || isUnknown(error)
      },
      () =>
        aws.ebs.send(
          new CompleteSnapshotCommand({
            SnapshotId: id,
            ChangedBlocksCount: blocks.count,
            Checksum: blocks.checksum.toString('base64'),
            ChecksumAlgorithm: 'SHA256',
            ChecksumAggregationMethod: 'LINEAR',
          }),
        ),
    )
  } catch (cause) {
    if (!isInvalid(cause)) throw cause
    // Sealed already, by a call whose answer was lost: whoever waits for it will see.
    if (unsure) return
    throw new BakeFailure(`AWS does not complete ${id}: ${cause instanceof Error ? cause.message : cause}.`, {
      cause,
    })
  }
}

/** @returns undefined when there is none of that id, and it is not too new to be seen */
async function describe({ aws, signal }: Baking, id: string): Promise<Snapshot | undefined> {
  try {
    return await persist(aws.clock, UNSEEN_MS, signal, isMissing, async () => {
      const { Snapshots: [found] = [] } = await aws.ec2.send(
        new DescribeSnapshotsCommand({ SnapshotIds: [id] }),
      )
      return found
    })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
const isMissing = (error: unknown): boolean =>
  error instanceof Error && error.name === 'InvalidSnapshot.NotFound'

async function completed(baking: Baking, id: string): Promise<void> {
  const { aws, signal, say } = baking
  say(`${id}: waiting until it is completed`)
  await until(aws.clock, COMPLETED_MS, signal, `${id} is not completed`, async () => {
    const found = await describe(baking, id)
    if (found?.State === 'completed') return true
    if (found === undefined) throw new BakeFailure(`${id} has disappeared: somebody deleted it.`)
    if (found.State === 'error' || found.State === 'recoverable')
      throw new BakeFailure(`${id} failed: ${found.StateMessage ?? found.State}`)
    return false
  })
}

/** Also one of which it is not known whether it was begun: the token finds it, or begins it now. @returns its id */
export async function removeSnapshot(baking: Baking, resource: Resource): Promise<string | undefined> {
  const { aws, ledger } = baking
  const id = resource.id ?? (await idByToken(baking, resource))
  if (id !== undefined) {
    try {
      // Until it can be seen it can’t be deleted.
      await persist(aws.clock, UNSEEN_MS, undefined, isMissing, () =>
        aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: id })),
      )
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    await removeDigestLog(logOf(baking, id))
  }
  await ledger.removed(resource.name)
  return id
}

async function idByToken({ aws }: Baking, resource: Resource): Promise<string | undefined> {
  try {
    return await started(aws, resource, undefined)
  } catch (error) {
    // It was begun, and is gone.
    if (isUnknown(error)) return undefined
    throw error
  }
}

function idOf({ id, name }: Resource): string {
  if (id === undefined) throw new Error(`${name} has no id yet`)
  return id
}
