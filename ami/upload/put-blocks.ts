// All blocks of a disk into a snapshot: many at a time, fewer when AWS slows us down, each until it is confirmed.
import { setMaxListeners } from 'node:events'
import { PutSnapshotBlockCommand } from '@aws-sdk/client-ebs'
import type { Aws } from '../../aws/port.ts'
import { BakeFailure, Continuable } from '../ledger/failure.ts'
import type { DigestLog } from './digest-log.ts'
import { BLOCK_BYTES, type Disk, digestOf, linear } from './disk.ts'
import { isInvalid, isUnknown, passing, pause } from './persist.ts'

/** AWS's own example takes 100 ms for a put: 64 at a time are about 320 MiB/s, more than most lines have. */
export const WORKERS = 64
const FEWEST = 4
/** No block was confirmed for so long: it is not the blocks. */
const STALLED_MS = 5 * 60_000
/** A block that was damaged on its way is refused; one that is refused each time is wrong. */
const REFUSALS = 4

export interface Progress {
  /** Bytes that AWS has confirmed, those of earlier runs too. */
  readonly done: number
  readonly total: number
  /** Of this run, since it began. */
  readonly bytesPerSecond: number
}

export interface Putting {
  readonly snapshot: string
  readonly disk: Disk
  readonly confirmed: DigestLog
  /** At most so many at a time. */
  readonly workers?: number
  readonly progress?: (progress: Progress) => void
  readonly signal?: AbortSignal | undefined
}

export interface Blocks {
  readonly count: number
  /** LINEAR, over all blocks. */
  readonly checksum: Buffer
}

/**
 * @throws Continuable when nothing gets through, BakeFailure when a block is refused, or the disk changes; otherwise what AWS answered.
 *   Blocks that were confirmed stay so: the same again goes on from there.
 */
export async function putBlocks(aws: Aws, putting: Putting): Promise<Blocks> {
  const { disk, confirmed, workers = WORKERS, signal } = putting
  const digests: Buffer[] = []
  const run = { started: aws.clock.now().getTime(), heard: aws.clock.now().getTime(), done: 0, put: 0 }
  const pace = pacing(workers)
  /** Memory of blocks that are through: half a megabyte anew for each costs more than reading it. */
  const free: Buffer[] = []

  const tell = () => {
    const seconds = (aws.clock.now().getTime() - run.started) / 1000
    putting.progress?.({
      done: Math.min(run.done, disk.size),
      total: disk.size,
      bytesPerSecond: seconds > 0 ? run.put / seconds : 0,
    })
  }
  const one = async (index: number, ended: AbortSignal) => {
    const block = free.pop() ?? Buffer.allocUnsafe(BLOCK_BYTES)
    await disk.read(index, block)
    const digest = digestOf(block)
    digests[index] = digest
    if (!confirmed.has(index, digest)) {
      await putOne(aws, putting, { index, block, digest }, run, pace, ended)
      await confirmed.add(index, digest)
      run.put += BLOCK_BYTES
    }
    free.push(block)
    run.done += BLOCK_BYTES
    tell()
  }
  await inParallel(disk.blocks, pace.allowed, one, signal)
  await disk.unchanged()
  return { count: disk.blocks, checksum: linear(digests) }
}

interface Block {
  readonly index: number
  readonly block: Buffer
  readonly digest: Buffer
}

async function putOne(
  aws: Aws,
  { snapshot }: Putting,
  { index, block, digest }: Block,
  run: { heard: number },
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  let refusals = 0
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted()
    try {
      await aws.ebs.send(
        new PutSnapshotBlockCommand({
          SnapshotId: snapshot,
          BlockIndex: index,
          BlockData: block,
          DataLength: BLOCK_BYTES,
          Checksum: digest.toString('base64'),
          ChecksumAlgorithm: 'SHA256',
        }),
        { abortSignal: signal },
      )
      run.heard = aws.clock.now().getTime()
      pace.went()
      return
    } catch (error) {
      signal.throwIfAborted()
      const isRefused = isInvalid(error) && ++refusals < REFUSALS
      const why = passing(error)
      if (why === 'slow') pace.slow()
      if (why === undefined && !isUnknown(error) && !isRefused) throw refused(error, index, snapshot)
      const silent = aws.clock.now().getTime() - run.heard
      if (silent > STALLED_MS)
        throw new Continuable(
          `No block got through to ${snapshot} for ${Math.round(silent / 60_000)} minutes; the last answer was: ` +
            `${error instanceof Error ? error.message : error}`,
          { cause: error },
        )
      await aws.clock.sleep(pause(tries), signal)
    }
  }
}

function refused(error: unknown, index: number, snapshot: string): unknown {
  return isInvalid(error)
    ? new BakeFailure(
        `AWS refused block ${index} of ${snapshot}: ${error instanceof Error ? error.message : error}.`,
        { cause: error },
      )
    : error
}

/** How many at a time: half as many when AWS says that they are too many, then slowly more again. */
interface Pace {
  allowed(): number
  slow(): void
  went(): void
}
function pacing(most: number): Pace {
  let allowed = most
  /** Answers since the last halving: those that were under way then say the same, and count once. */
  let answers = Number.POSITIVE_INFINITY
  return {
    allowed: () => Math.floor(allowed),
    slow: () => {
      if (answers++ < allowed) return
      allowed = Math.max(Math.min(FEWEST, most), allowed / 2)
      answers = 0
    },
    went: () => {
      answers++
      allowed = Math.min(most, allowed + 1 / allowed)
    },
  }
}

/** Runs `work` for 0 … count−1. The first failure ends the others, and is thrown once all have ended. */
async function inParallel(
  count: number,
  allowed: () => number,
  work: (index: number, signal: AbortSignal) => Promise<void>,
  outer: AbortSignal | undefined,
): Promise<void> {
  const failed = new AbortController()
  const signal = outer === undefined ? failed.signal : AbortSignal.any([outer, failed.signal])
  // As many as there are blocks under way: no leak.
  setMaxListeners(0, signal)
  const underWay = new Set<Promise<void>>()
  for (let next = 0; next < count && !signal.aborted; ) {
    while (underWay.size < allowed() && next < count) {
      const one: Promise<void> = work(next++, signal)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => underWay.delete(one))
      underWay.add(one)
    }
    await Promise.race(underWay)
  }
  await Promise.all(underWay)
  outer?.throwIfAborted()
  if (failed.signal.aborted) throw failed.signal.reason
}
