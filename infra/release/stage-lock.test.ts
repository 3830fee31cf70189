import { SetStackPolicyCommand } from '@aws-sdk/client-cloudformation'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { conflict } from '../../aws/stand-in/s3.ts'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { ACCOUNT, BUCKET, NAME, Rehearsal, small } from './rehearsal.ts'
import { type HeldLock, LEASE_MS, type LockRequest, withStageLock } from './stage-lock.ts'
import { wrapped } from './wrapped.ts'

const KEY = 'stages/staging/lock.json'
const HOUR = 3_600_000
const place = { bucket: BUCKET, account: ACCOUNT, stage: 'staging' }

let here: Rehearsal
let aws: Aws
beforeEach(() => {
  here = new Rehearsal()
  aws = here.world.aws
})
const asked = (changes: Partial<LockRequest> = {}): LockRequest => ({
  place,
  by: 'arn:aws:sts::222233334444:assumed-role/Deployer/jo',
  command: 'apply',
  takesOver: false,
  say: (line) => here.said.push(line),
  ...changes,
})
const locked = <T>(work: (held: HeldLock) => Promise<T>, changes: Partial<LockRequest> = {}, by = aws) =>
  withStageLock(by, asked(changes), work)
const nothing = async () => 'done'
const lock = () => here.world.buckets.text(BUCKET, KEY)
const isRefused = expect.objectContaining({ name: 'StageLocked' })
const outcome = (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error)
/** A change that is not sent is not among the calls. */
const changeOf = (held: HeldLock) =>
  held.aws.cloudformation.send(new SetStackPolicyCommand({ StackName: NAME, StackPolicyBody: '{}' }))
/** The run is over at once: nothing that it asks is heard any more. */
const kill = (call: number, operation = '*') =>
  here.world.faults.add({ operation, call, times: Number.MAX_SAFE_INTEGER, error: new Error('killed') })
async function killed(): Promise<void> {
  const ended = locked(async () => {
    kill(1)
    throw new Error('killed')
  })
  await expect(ended).rejects.toThrow('killed')
  here.world.faults.clear()
}

describe('one at a time', () => {
  test('a second one is told who, what, since when, and what to do; and has its turn afterwards', async () => {
    const refused = await locked(async () => {
      expect(JSON.parse(lock() ?? '')).toMatchObject({
        by: expect.stringContaining(':assumed-role/Deployer/jo'),
        command: 'apply',
        since: '2026-11-28T12:00:00.000Z',
        until: '2026-11-28T12:05:00.000Z',
      })
      await here.world.clock.sleep(120_000)
      return outcome(locked(nothing, { by: 'arn:other' }))
    })
    expect(refused).toMatchObject({
      name: 'StageLocked',
      message: expect.stringMatching(
        /npm run apply of arn:aws:sts::222233334444:assumed-role\/Deployer\/jo on .+, process \d+, since 2026-11-28T12:00:00\.000Z(.|\n)* ends at 2026-11-28 12:05:00 UTC; --take-over-lock/,
      ),
    })
    expect(lock()).toBeUndefined()
    expect([await locked(nothing), here.said]).toEqual(['done', []])
  })

  test('of two that begin at the same moment, one', async () => {
    const both = await Promise.all([0, 1].map(() => outcome(locked(() => here.world.clock.sleep(1_000)))))
    expect(both).toEqual(expect.arrayContaining([undefined, isRefused]))
  })

  test('a stage’s lock is its own', async () => {
    const other = { place: { ...place, stage: 'prod' } }
    expect(await locked(() => locked(nothing, other))).toBe('done')
  })

  test('a step of what has the lock does not wait for itself, nor gives it back', async () => {
    const result = await locked(async (held) => {
      expect(await locked(async (inner) => inner === held, { held })).toBe(true)
      return outcome(locked(nothing))
    })
    expect(result).toEqual(isRefused)
  })

  test('without a state bucket nobody has a turn', async () => {
    const run = locked(nothing, { place: { ...place, bucket: 'none' } })
    await expect(run).rejects.toThrow(/There is no bucket none(.|\n)*npm run bootstrap/)
  })
})

describe('a lock that nobody gives back', () => {
  test('ends by itself, and is taken over with a word about whose it was', async () => {
    await killed()
    await expect(locked(nothing)).rejects.toEqual(isRefused)
    await here.world.clock.sleep(LEASE_MS - 1_000)
    await expect(locked(nothing)).rejects.toEqual(isRefused)
    await here.world.clock.sleep(1_000)
    expect(await locked(nothing)).toBe('done')
    expect(here.said.at(-1)).toMatch(
      /^The lock of an earlier run has ended: npm run apply of .*Deployer\/jo on /,
    )
  })

  test('is renewed in time also when this machine’s clock is set back meanwhile', async () => {
    let off = 0
    const now = () => new Date(here.world.clock.now().getTime() + off)
    const own: Aws = { ...aws, clock: { now, sleep: (ms, signal) => aws.clock.sleep(ms, signal) } }
    const refused = await locked(
      async (held) => {
        const waiting = held.aws.clock.sleep(2 * LEASE_MS)
        off = -10 * 60_000
        await here.world.clock.sleep(LEASE_MS + 60_000)
        const second = await outcome(locked(nothing, { by: 'arn:other' }))
        await waiting
        return second
      },
      {},
      own,
    )
    expect(refused).toEqual(isRefused)
  })

  test.each([-2 * HOUR, 2 * HOUR])('by S3’s clock: another machine’s is off by %d ms', async (off) => {
    const now = () => new Date(here.world.clock.now().getTime() + off)
    const other: Aws = { ...aws, clock: { now, sleep: (ms, signal) => aws.clock.sleep(ms, signal) } }
    await killed()
    await expect(locked(nothing, {}, other)).rejects.toEqual(isRefused)
    await here.world.clock.sleep(LEASE_MS)
    expect(await locked(nothing, {}, other)).toBe('done')
  })

  test('also one that nobody can read', async () => {
    await aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: '{"id":7}' }))
    await expect(locked(nothing)).rejects.toThrow('somebody’s whose name can’t be read')
    await here.world.clock.sleep(LEASE_MS)
    expect(await locked(nothing)).toBe('done')
  })

  test.each([
    ['by', 'arn:x\u001b[2J'],
    ['on', 'here\nNext: something else'],
    ['command', 'apply; curl x'],
    ['since', 'x'.repeat(99)],
    ['by', 'x'.repeat(5_000)],
  ])('nor one that moves the cursor, or is no text of a run: %s', async (field, value) => {
    await locked(async () => {
      const forged = { ...JSON.parse(lock() ?? ''), [field]: value }
      await aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: JSON.stringify(forged) }))
    })
    await expect(locked(nothing)).rejects.toThrow('somebody’s whose name can’t be read')
  })

  test('but none that was just taken over when the run is told to end', async () => {
    await killed()
    const clock = {
      ...aws.clock,
      now: () => here.world.clock.now(),
      sleep: () => Promise.reject(new Error('ended')),
    }
    await expect(locked(nothing, { takesOver: true }, { ...aws, clock })).rejects.toThrow('ended')
    expect(lock()).toBeUndefined()
  })

  test('that could not be given back is no failure of what was done, and is said', async () => {
    const done = await locked(async () => {
      kill(1, 'DeleteObject')
      return 'done'
    })
    expect([done, here.said.at(-1)]).toEqual(['done', expect.stringContaining('ends by itself in 5 minutes')])
  })
})

describe('it is held', () => {
  test('for as long as is waited', async () => {
    const refused = await locked(async (held) => {
      for (let waits = 0; waits < 30; waits++) await held.aws.clock.sleep(150_000)
      await held.aws.clock.sleep(2 * HOUR)
      return outcome(locked(nothing))
    })
    expect(refused).toEqual(isRefused)
  })

  test.each([
    ['throttles', FAULTS.throttled(), 0],
    ['fails', awsError('InternalError', 'We encountered an internal error. Please try again.', 500), 2],
  ])('while S3 %s for a time', async (_how, error, reads) => {
    here.world.faults.add({ operation: 'PutObject', call: 2, times: 3, error })
    here.world.faults.add({ operation: 'GetObject', times: reads, error })
    const refused = await locked(async (held) => {
      await held.aws.clock.sleep(LEASE_MS)
      return outcome(locked(nothing))
    })
    expect(refused).toEqual(isRefused)
  })

  test('again after a long thought, when nobody came meanwhile', async () => {
    await here.bring(small('1'))
    const refused = await locked(async (held) => {
      await here.world.clock.sleep(3 * HOUR)
      await changeOf(held)
      return outcome(locked(nothing))
    })
    expect(refused).toEqual(isRefused)
  })

  test('and lost after a long thought when somebody did: what changes anything is not sent any more', async () => {
    await here.bring(small('1'))
    const before = here.counted('SetStackPolicy')
    const lost = await locked(async (held) => {
      await here.world.clock.sleep(3 * HOUR)
      await locked(nothing)
      return outcome(changeOf(held))
    })
    expect(lost).toMatchObject({ name: 'StageLocked', message: expect.stringContaining('nobody’s now') })
    expect(here.counted('SetStackPolicy')).toBe(before)
  })

  test('until it is taken over, which shows from whom, at the next call and while waiting', async () => {
    await here.bring(small('1'))
    const before = here.counted('SetStackPolicy')
    await locked(async (first) => {
      await locked(
        async () => {
          expect(here.said.at(-1)).toMatch(
            /^The lock of another run is taken over: npm run apply of .*\/jo on /,
          )
          const lost = expect.objectContaining({
            name: 'StageLocked',
            message: expect.stringMatching(/taken from this run.*It is npm run destroy of arn:other/),
          })
          expect(await outcome(changeOf(first))).toEqual(lost)
          expect(await outcome(changeOf(first))).toEqual(lost)
          expect(await outcome(first.aws.clock.sleep(HOUR))).toEqual(lost)
        },
        { takesOver: true, command: 'destroy', by: 'arn:other' },
      )
    })
    expect(here.counted('SetStackPolicy')).toBe(before)
  })

  test('by whom it was meant to be taken from: not by who comes in between', async () => {
    let calls = 0
    const refused = await locked(async () => {
      const late = wrapped(
        aws,
        async (operation) => {
          // It has seen the first one's lock, and is about to take it.
          if (operation !== 'PutObject' || ++calls !== 3) return
          await locked(async () => kill(1, 'DeleteObject'), { takesOver: true, by: 'arn:third' })
          here.world.faults.clear()
        },
        (ms, signal) => aws.clock.sleep(ms, signal),
      )
      return outcome(locked(nothing, { takesOver: true }, late))
    })
    expect(refused).toMatchObject({ name: 'StageLocked', message: expect.stringContaining('arn:third') })
  })

  test('the end of a run gives back no lock but its own', async () => {
    let theirs: string | undefined
    await locked(async () => {
      theirs = await locked(
        async () => {
          kill(1, 'DeleteObject')
          return lock()
        },
        { takesOver: true },
      )
      here.world.faults.clear()
    })
    expect([lock(), theirs]).toEqual([theirs, expect.any(String)])
  })

  test('two changes at once are no loss, nor one that is still asked for when the run ends', async () => {
    await here.bring(small('1'))
    await locked((held) => Promise.all([changeOf(held), changeOf(held), changeOf(held)]))
    const { send } = aws.s3
    const slow = async (...args: Parameters<typeof send>) => {
      const answer: unknown = await Reflect.apply(send, aws.s3, args)
      await aws.clock.sleep(1_000)
      return answer
    }
    const late: Promise<unknown>[] = []
    const run = async (held: HeldLock) => {
      late.push(changeOf(held))
      await aws.clock.sleep(500)
    }
    await locked(run, {}, { ...aws, s3: { send: slow as typeof send } })
    await Promise.all(late)
    expect(lock()).toBeUndefined()
  })
})

describe('answers that are lost', () => {
  const heard = [
    ['no answer', FAULTS.noAnswer()],
    ['the SDK’s second try, which finds the first', awsError('PreconditionFailed', 'did not hold', 412)],
    ['S3’s own failure', awsError('InternalError', 'We encountered an internal error', 500)],
  ] as const
  test.each(heard)('do not lock out whoever got it: %s', async (_, error) => {
    await here.bring(small('1'))
    here.world.faults.add({ operation: 'PutObject', error, answer: 'lost' })
    const refused = await locked(async (held) => {
      here.world.faults.add({ operation: 'PutObject', error, answer: 'lost' })
      await changeOf(held)
      await changeOf(held)
      return outcome(locked(nothing))
    })
    expect([refused, lock()]).toEqual([isRefused, undefined])
  })

  test('a renewal of which nothing was heard, twice', async () => {
    await here.bring(small('1'))
    await locked(async (held) => {
      here.world.faults.add({ operation: 'PutObject', error: FAULTS.noAnswer(), answer: 'lost' })
      here.world.faults.add({ operation: 'GetObject', error: FAULTS.noAnswer() })
      expect(await outcome(changeOf(held))).toMatchObject({ kind: 'unreachable' })
      await changeOf(held)
    })
    expect(lock()).toBeUndefined()
  })

  test('one that writes at the same moment is no answer', async () => {
    here.world.faults.add({ operation: 'PutObject', times: 2, error: conflict() })
    expect(await locked(nothing)).toBe('done')
  })

  test('where nothing was written, nothing is held', async () => {
    here.world.faults.add({ operation: 'PutObject', error: FAULTS.noAnswer() })
    expect([await outcome(locked(nothing)), lock()]).toMatchObject([{ kind: 'unreachable' }, undefined])
  })
})
