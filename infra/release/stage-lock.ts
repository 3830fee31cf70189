// One operator at a time works on a stage: whoever changes it has its lock, which others see, and which ends by itself when
// its run was killed. AWS knows nothing of it. So it is made sure of before every call that changes anything.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Aws } from '../../aws/port.ts'
import { isPassing } from '../../aws/problems.ts'
import { inPlain } from '../plain-text.ts'
import { StageLocked } from './failure.ts'
import type { Say } from './follow.ts'
import {
  type FoundLock,
  type LockPlace,
  type LockRecord,
  readLock,
  removeLock,
  timeOfS3,
  writeLock,
} from './lock-record.ts'
import { wrapped } from './wrapped.ts'

/** After it was written last, a lock is nobody's: longer than AWS may not answer for, short enough to be waited for. */
export const LEASE_MS = 5 * 60_000
const RENEW_MS = 60_000
/** After a renewal that AWS did not answer. */
const RENEW_AGAIN_MS = 15_000
/** What a run has asked for in the moment in which its lock was taken from it may still arrive: AWS knows nothing of locks. */
const IN_FLIGHT_MS = 15_000
const TRIES = 5
const READING = /^(Describe|Get|Head|List)/

export interface LockRequest {
  readonly place: LockPlace
  /** Who asks: ARN. */
  readonly by: string
  /** `apply`. */
  readonly command: string
  /** Whether somebody has said that another run's lock is to be taken while it lasts. */
  readonly takesOver: boolean
  readonly say: Say
  /** A lock of this stage that is held already, by a command that this one is a step of. */
  readonly held?: HeldLock | undefined
}

export interface HeldLock {
  /**
   * AWS, as whoever has the lock: it is renewed while waiting, and made sure of before every call that changes anything,
   * which throws StageLocked when it is lost, and is not sent.
   */
  readonly aws: Aws
}

/**
 * Does something while nobody else works on the stage.
 * @throws StageLocked when somebody else is at it, or has taken over meanwhile; StackFailure when there is no state bucket
 */
export async function withStageLock<T>(
  aws: Aws,
  request: LockRequest,
  work: (held: HeldLock) => Promise<T>,
): Promise<T> {
  if (request.held !== undefined) return work(request.held)
  const lock = new Lock(aws, request)
  try {
    await lock.acquire()
    return await work({ aws: lock.guarded() })
  } finally {
    await lock.release()
  }
}

class Lock {
  readonly #aws: Aws
  readonly #request: LockRequest
  #record: LockRecord
  /** Of what we wrote last; undefined when we don't have it. */
  #etag: string | undefined
  /** Milliseconds, by our own clock: only how long it is until then matters. */
  #due = 0
  /** One after the other: two at once would find each other's. */
  #renewing: Promise<void> = Promise.resolve()

  constructor(aws: Aws, request: LockRequest) {
    this.#aws = aws
    this.#request = request
    const { by, command } = request
    const since = aws.clock.now().toISOString()
    const on = inPlain(`${hostname()}, process ${process.pid}`, 300)
    this.#record = { id: randomUUID(), by: inPlain(by, 2048), on, command, since, until: since }
  }

  async acquire(): Promise<void> {
    const { place, takesOver, say } = this.#request
    let from: FoundLock | undefined
    for (let tries = 1; ; tries++) {
      if (await this.#write({ IfNoneMatch: '*' })) return
      const found = await readLock(this.#aws, place)
      // Given back meanwhile.
      if (found === undefined && tries < TRIES) continue
      if (found === undefined)
        throw new StageLocked(`The lock of stage ${place.stage} changes all the time.`, AGAIN)
      const isOver = (await timeOfS3(this.#aws, place)).getTime() >= endOf(found).getTime()
      from ??= found
      // What somebody has said to take over is what was there then.
      const isMeant = isOver || (takesOver && found.record?.id === from.record?.id)
      if (tries === TRIES || !isMeant) throw refusal(place, found)
      if (!(await this.#write({ IfMatch: found.etag }))) continue
      if (isOver) return say(`The lock of an earlier run has ended: ${told(found)}.`)
      say(`The lock of another run is taken over: ${told(found)}. What it has just asked for is waited for.`)
      return this.#aws.clock.sleep(IN_FLIGHT_MS)
    }
  }

  /** @returns whether it is ours now */
  async #write(condition: Parameters<typeof writeLock>[3]): Promise<boolean> {
    const asked = this.#aws.clock.now().getTime()
    this.#record = { ...this.#record, until: new Date(asked + LEASE_MS).toISOString() }
    this.#etag = await writeLock(this.#aws, this.#request.place, this.#record, condition)
    this.#due = asked + RENEW_MS
    return this.#etag !== undefined
  }

  /** @throws StageLocked when it is lost */
  #renew(): Promise<void> {
    const renewed = this.#renewing.then(async () => {
      const etag = this.#etag
      if (etag === undefined || !(await this.#write({ IfMatch: etag }))) throw await this.#loss()
    })
    this.#renewing = renewed.catch(() => undefined)
    return renewed
  }

  async #loss(): Promise<StageLocked> {
    const { place } = this.#request
    const found = await readLock(this.#aws, place)
    const by = found === undefined ? 'It is nobody’s now.' : `It is ${told(found)}.`
    return new StageLocked(
      `The lock of stage ${place.stage} was taken from this run: nothing more is done from here. ${by}`,
      'agree with them; the same command goes on from what is there. What AWS has begun goes on by itself.',
    )
  }

  guarded(): Aws {
    const { clock } = this.#aws
    const sleep = async (ms: number, signal?: AbortSignal) => {
      for (let left = ms; left > 0; ) {
        const step = Math.min(left, Math.max(this.#due - clock.now().getTime(), 0), RENEW_MS)
        await clock.sleep(step, signal)
        left -= step
        // Further off than it can be: the clock was set back meanwhile.
        const wait = this.#due - clock.now().getTime()
        if (wait <= 0 || wait > RENEW_MS) await this.#renewPatiently()
      }
    }
    return wrapped(this.#aws, async (name) => (READING.test(name) ? undefined : this.#renew()), sleep)
  }

  async #renewPatiently(): Promise<void> {
    try {
      await this.#renew()
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#due = this.#aws.clock.now().getTime() + RENEW_AGAIN_MS
    }
  }

  /** It ends by itself where it can't be given back: that is no failure of what was done under it. */
  async release(): Promise<void> {
    const { place, say } = this.#request
    await this.#renewing
    const etag = this.#etag
    this.#etag = undefined
    if (etag === undefined) return
    // Twice: the first call may be the one that a signal ends.
    for (let tries = 1; tries <= 2; tries++) {
      try {
        return await removeLock(this.#aws, place, etag)
      } catch {
        // Said below.
      }
    }
    say(
      `The lock of stage ${place.stage} could not be given back: it ends by itself in ${LEASE_MS / 60_000} minutes.`,
    )
  }
}

const AGAIN = 'run the same command again.'
const endOf = ({ writtenAt }: FoundLock) => new Date(writtenAt.getTime() + LEASE_MS)
const clockTime = (date: Date) => `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`

function told({ record }: FoundLock): string {
  if (record === undefined) return 'somebody’s whose name can’t be read'
  const { command, by, on, since } = record
  return `npm run ${command} of ${by} on ${on}, since ${since}`
}

function refusal({ stage, bucket }: LockPlace, found: FoundLock): StageLocked {
  return new StageLocked(
    `Somebody else is at work on stage ${stage}: ${told(found)}. Nothing was changed.`,
    `wait until that is done, and run the same command again. If nobody runs it any more, its lock ends at ${clockTime(endOf(found))}; ` +
      `--take-over-lock takes it at once, and ends that run before its next step. (s3://${bucket}/stages/${stage}/lock.json)`,
  )
}
