// A run that is told to end: what it closes, and what it says of what it can't.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { answerAt } from '../terminal.ts'
import { Interrupted, interruptible, reasonOf } from './interrupt.ts'
import { CLOSED } from './policy.ts'
import { ACCOUNT, BUCKET, larger, Rehearsal, small, whole } from './rehearsal.ts'
import type { StackChange } from './stack-change.ts'
import { withStageLock } from './stage-lock.ts'
import { wrapped } from './wrapped.ts'

let here: Rehearsal
let stop: AbortController
const begin = () => {
  here = new Rehearsal()
  stop = new AbortController()
}
beforeEach(begin)
const end = () => stop.abort(new Interrupted('SIGTERM'))
const lock = () => here.world.buckets.text(BUCKET, 'stages/staging/lock.json')

const bring = (template: Parameters<Rehearsal['bring']>[0], by: Aws, changes: Partial<StackChange> = {}) => {
  const place = { bucket: BUCKET, account: ACCOUNT, stage: 'staging' }
  const say = (line: string) => here.said.push(line)
  const asked = { place, by: 'arn:jo', command: 'apply', takesOver: false, say }
  return withStageLock(interruptible(by, stop.signal), asked, (held) =>
    here.bring(template, changes, held.aws),
  ).catch((error: unknown) => error)
}
/** The signal comes while this call is asked for: it is answered. */
const atCall = (call: number): Aws => {
  let calls = 0
  return wrapped(
    here.world.aws,
    () => {
      if (++calls === call) end()
    },
    (ms, signal) => here.world.clock.sleep(ms, signal),
  )
}
const left = () => [...(here.world.stacks.find('terrace-staging')?.changeSets.values() ?? [])]

test.each([
  ['a stack that is made', false],
  ['one that is changed', true],
])('at every call: %s', async (_, isThere) => {
  const wrong: string[] = []
  let open = 0
  let calls = 0
  for (let call = 1; call === 1 || call <= calls; call++) {
    begin()
    if (isThere) await here.bring(small('1'))
    const before = here.world.calls.length
    const ended = await bring(small('2'), call === 1 ? here.world.aws : atCall(call))
    if (call === 1) calls = here.world.calls.length - before
    const stack = here.world.stacks.find('terrace-staging')
    const begun = left().some(({ execution, hasBegun }) => execution === 'EXECUTE_IN_PROGRESS' && !hasBegun)
    const isBusy = stack?.isBusy === true || begun
    const isTold = /AWS goes on/.test(here.said.join('\n'))
    const isOpen = stack?.policy !== undefined && stack.policy !== JSON.stringify(CLOSED)
    if (isOpen) open++
    const isRight =
      (call === 1 || call >= calls - 1 ? true : ended instanceof Interrupted) &&
      lock() === undefined &&
      (isBusy ? isTold : !isOpen && left().every(({ execution }) => execution !== 'AVAILABLE')) &&
      (!isOpen || /is still open for this change/.test(here.said.join('\n')))
    stop = new AbortController()
    const again = await bring(small('2'), here.world.aws)
    if (!isRight || again instanceof Error || !here.isLocked)
      wrong.push(`call ${call}: ${ended} ${stack?.status} ${isOpen} ${again} ${here.said.join(' | ')}`)
  }
  expect(wrong).toEqual([])
  expect(calls).toBeGreaterThan(20)
  // While AWS is at it, a closed policy would stop it half-way.
  expect(open > 0).toBe(isThere)
})

test('while it is followed: what AWS has begun goes on, and the next run follows it', async () => {
  await here.bring(whole)
  here.world.clock.after(60_000, end)
  expect(await bring(larger, here.world.aws)).toBeInstanceOf(Interrupted)
  expect(here.stack.status).toBe('UPDATE_IN_PROGRESS')
  expect(here.said.slice(-2)).toEqual([
    'Stack terrace-staging is UPDATE_IN_PROGRESS: AWS goes on, and the same command follows it when it is run again.',
    expect.stringContaining('The policy of terrace-staging is still open for this change'),
  ])
  stop = new AbortController()
  expect(await bring(larger, here.world.aws)).toBe('nothing')
  expect([here.max, here.isLocked]).toEqual(['6', true])
})

test('while somebody is asked: nothing is left', async () => {
  await here.bring(small('1'))
  const agree = async () => {
    end()
    throw reasonOf(stop.signal)
  }
  expect(await bring(small('2'), here.world.aws, { agree })).toBeInstanceOf(Interrupted)
  expect([left().length, lock(), here.isLocked]).toEqual([1, undefined, true])
})

test('in the moment after the change was asked for, which does not show yet, the policy stays open for it', async () => {
  await here.bring(small('1'))
  const aws = wrapped(
    here.world.aws,
    (operation) => {
      if (operation === 'ExecuteChangeSet') end()
    },
    (ms, signal) => here.world.clock.sleep(ms, signal),
  )
  expect(await bring(small('2'), aws)).toBeInstanceOf(Interrupted)
  await here.world.clock.sleep(600_000)
  // Had it been closed, the update would have been taken back.
  expect(here.stack.status).toBe('UPDATE_COMPLETE')
})

/** A process that waits for ten minutes, or for a signal, after which it puts things in order for as long as it is told. */
const waits = (orderMs: number, say = '(line) => console.log(line)') => {
  const program = `
    const { Interrupted, interruptible, untilSignalled } = await import('./infra/release/interrupt.ts')
    const signal = untilSignalled(${say})
    const clock = { now: () => new Date(), sleep: (ms, signal) => new Promise((wake, fail) => {
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', () => { clearTimeout(timer); fail(signal.reason) })
      console.log('waiting')
    }) }
    const aws = interruptible({ clock }, signal)
    try { await aws.clock.sleep(600_000) } catch (error) {
      await aws.clock.sleep(${orderMs})
      console.log(error.message)
      process.exitCode = error.exitCode
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: process.cwd() })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends a process with %d, once it has put things in order', async (signal, code) => {
  const child = waits(10)
  let output = ''
  child.stdout.on('data', (chunk) => {
    if (output === '') child.kill(signal)
    output += chunk
  })
  const [ended] = await once(child, 'close')
  expect([ended, output]).toEqual([
    code,
    expect.stringMatching(new RegExp(`${signal}: ending(.|\\n)*Ended by ${signal}: nothing more is done`)),
  ])
})

test('npm’s echo of the same Ctrl-C does not count as a second one', async () => {
  const child = waits(10, `(line) => { console.log(line); process.kill(process.pid, 'SIGINT') }`)
  let output = ''
  child.stdout.on('data', (chunk) => {
    if (output === '') child.kill('SIGINT')
    output += chunk
  })
  expect(await once(child, 'close')).toEqual([130, null])
  expect(output).toContain('Ended by SIGINT: nothing more is done')
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s after that ends it at once', async (second) => {
  const child = waits(600_000)
  let output = ''
  child.stdout.on('data', (chunk) => {
    if (output === '') child.kill('SIGINT')
    // By then it is nobody's echo.
    if (/ending/.test(String(chunk))) setTimeout(() => child.kill(second), 1_100)
    output += chunk
  })
  expect(await once(child, 'close')).toEqual([null, second])
})

test('who reads no more of what it says, or has no room for it, ends it in order', async () => {
  const program = `
    const { interruptible, untilSignalled } = await import('./infra/release/interrupt.ts')
    const signal = untilSignalled((line) => process.stdout.write(line))
    const speaking = setInterval(() => process.stdout.write('line'), 10)
    const sleep = (_ms, signal) => new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason)))
    try { await interruptible({ clock: { sleep } }, signal).clock.sleep(600_000) } catch (error) {
      process.stderr.write(error.message)
      process.exitCode = error.exitCode
      setTimeout(() => clearInterval(speaking), 100)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: process.cwd() })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdout.once('data', () => child.stdout.destroy())
  let complained = ''
  child.stderr.on('data', (chunk) => {
    complained += chunk
  })
  expect([await once(child, 'close'), complained]).toEqual([
    [1, null],
    expect.stringMatching(
      /^Ended, because what it says can’t be written any more \(.*EPIPE\): nothing more is done/,
    ),
  ])
})

describe('at a terminal', () => {
  const asked = () => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const answer = answerAt({ input, output, interrupt: end }, 'Type staging: ', stop.signal)
    return { input, answer }
  }

  test('what is typed', async () => {
    const { input, answer } = asked()
    input.write('staging\r')
    expect(await answer).toBe('staging')
  })

  test('Ctrl-C ends the run, Ctrl-D says nothing', async () => {
    const { input, answer } = asked()
    input.write('sta\x03')
    await expect(answer).rejects.toBeInstanceOf(Interrupted)
    stop = new AbortController()
    const second = asked()
    second.input.write('\x04')
    expect(await second.answer).toBe('')
  })

  test('a signal that comes from elsewhere, or came before', async () => {
    const { answer } = asked()
    end()
    await expect(answer).rejects.toBeInstanceOf(Interrupted)
    await expect(asked().answer).rejects.toBeInstanceOf(Interrupted)
  })
})
