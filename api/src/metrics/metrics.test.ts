// When and how metrics are written; what is measured, by whole servers, is in server.test.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { emfLines } from '../../../contract/emf.schema.ts'
import { sumOf, testMetrics, valuesOf } from '../../test/metrics.ts'
import { parseConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { createMetrics } from './metrics.ts'

test('what is counted is written once; of nothing there is a 0, and no time', async () => {
  const metrics = testMetrics()
  metrics.count('AnswersServed')
  metrics.count('AnswersServed', 2)
  metrics.value('TimeToFirstToken', 120)
  metrics.value('TimeToFirstToken', 80)
  const [line, ...more] = await metrics.read()
  expect(more).toEqual([])
  expect(Object.fromEntries(line?.values ?? [])).toEqual({
    AnswersServed: [3],
    AnswersFailed: [0],
    TimeToFirstToken: [120, 80],
  })
  const [next] = await metrics.read()
  expect(Object.fromEntries(next?.values ?? [])).toEqual({ AnswersServed: [0], AnswersFailed: [0] })
})

test('a line has the fields of every line, and the level of the log does not silence it', async () => {
  // Whose level is `silent`.
  const [line] = await testMetrics().read()
  expect(line).toMatchObject({ stage: 'test', tier: 'api' })
  expect(line?.more).toEqual({
    ...{ name: 'api', release: 'r1', level: 30, msg: 'metrics' },
    time: expect.stringMatching(/^20\d\d-/),
  })
})

test('without a stage nothing is written, kept or read', async () => {
  const written: string[] = []
  const log = createLog({ logLevel: 'trace', release: 'r1' }, 'api', { write: (text) => written.push(text) })
  const metrics = createMetrics({ stage: undefined }, log)
  let reads = 0
  metrics.gauge(() => ({ OpenStreams: ++reads }))
  metrics.count('AnswersServed')
  metrics.value('TimeToFirstToken', 1)
  metrics.start()
  await metrics.write()
  await metrics.close()
  expect([reads, written]).toEqual([0, []])
})

test('what can not be measured costs its own numbers only, and is no 0', async () => {
  const metrics = testMetrics()
  metrics.gauge(() => Promise.reject(new Error('away')))
  metrics.gauge(() => {
    throw new Error('broken')
  })
  metrics.gauge(() => ({ IndexLag: null, DeadLetters: Number.NaN, OpenStreams: 4 }))
  const [line] = await metrics.read()
  expect([...(line?.values.keys() ?? [])].sort()).toEqual(['AnswersFailed', 'AnswersServed', 'OpenStreams'])
})

test('what hangs is not waited for, and not asked again until it has answered', async () => {
  const metrics = testMetrics({ patienceMs: 20 })
  let asked = 0
  let answer = () => {}
  metrics.gauge(() => {
    asked++
    return new Promise((resolve) => {
      answer = () => resolve({ DiskUsed: 10 })
    })
  })
  metrics.gauge(() => ({ OpenStreams: 1 }))
  for (let round = 0; round < 3; round++) {
    metrics.count('AnswersServed')
    const lines = await metrics.read()
    expect([valuesOf(lines, 'DiskUsed'), valuesOf(lines, 'OpenStreams')]).toEqual([[], [1]])
    expect(sumOf(lines, 'AnswersServed')).toBe(1)
  }
  expect(asked).toBe(1)
  answer()
  await new Promise((resolve) => setImmediate(resolve))
  const reading = metrics.read()
  answer()
  expect(valuesOf(await reading, 'DiskUsed')).toEqual([10])
  expect(asked).toBe(2)
})

test('a stop waits for nothing that hangs, and loses nothing that was counted or read', async () => {
  const written: string[] = []
  const log = createLog({ logLevel: 'silent', release: 'r1' }, 'api', { write: (text) => written.push(text) })
  const metrics = createMetrics({ stage: 'test' }, log, { patienceMs: 24 * 3_600_000 })
  metrics.gauge(() => ({ OpenStreams: 4 }))
  metrics.gauge(() => new Promise(() => {}))
  metrics.count('AnswersServed')
  const writing = metrics.write()
  await new Promise((resolve) => setImmediate(resolve))
  metrics.count('AnswersServed')
  await metrics.close()
  await writing
  const lines = emfLines(written.join(''))
  expect([sumOf(lines, 'AnswersServed'), valuesOf(lines, 'OpenStreams')]).toEqual([2, [4]])
})

test('two who want lines at once get one, and what comes meanwhile is in it or in the next', async () => {
  const metrics = testMetrics()
  metrics.count('AnswersServed')
  const [one, two] = [metrics.read(), metrics.read()]
  metrics.count('AnswersServed')
  const first = [...(await one), ...(await two)]
  expect(first).toHaveLength(1)
  expect(sumOf([...first, ...(await metrics.read())], 'AnswersServed')).toBe(2)
})

test('the environment names a stage and a moment, or is refused', () => {
  const parse = (more: Record<string, string>) =>
    parseConfig({
      ...{ DATABASE_URL: 'postgresql://x', STORAGE: 'file:/tmp/x', AUTH_SECRET: 'x'.repeat(32) },
      ...more,
    })
  expect(parse({})).toMatchObject({ stage: undefined, imageMadeAt: undefined })
  expect(parse({ TERRACE_STAGE: 'prod', TERRACE_IMAGE_MADE_AT: '2026-11-28T10:00:00Z' })).toMatchObject({
    ...{ stage: 'prod', imageMadeAt: new Date('2026-11-28T10:00:00Z') },
  })
  expect(() => parse({ TERRACE_STAGE: 'two words' })).toThrow('TERRACE_STAGE: must be a short name')
  expect(() => parse({ TERRACE_IMAGE_MADE_AT: 'yesterday' })).toThrow('TERRACE_IMAGE_MADE_AT')
})

/** A program with metrics whose stdout is where it is told. */
function start(program: string, stdout: 'pipe' | number): ChildProcess {
  const from = (file: string) => JSON.stringify(path.join(import.meta.dirname, file))
  const text = `
    import { createLog } from ${from('../log.ts')}
    import { createMetrics } from ${from('metrics.ts')}
    const log = createLog({ logLevel: 'info', release: 'r' }, 'api')
    const metrics = createMetrics({ stage: 'test' }, log)
    metrics.gauge(() => ({ OpenStreams: 1 }))
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    ${program}`
  const argv = ['--input-type=module-typescript', '--eval', text]
  return spawn(process.execPath, argv, { stdio: ['ignore', stdout, 'pipe'] })
}

async function run(program: string, stdout: 'pipe' | number): Promise<{ end: unknown; out: string }> {
  const child = start(program, stdout)
  let out = ''
  child.stdout?.on('data', (bytes) => {
    out += String(bytes)
  })
  const end = await new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))
  return { end, out }
}

test('a start writes at once, a stop what was counted since: nothing of it is lost', async () => {
  const { end, out } = await run(
    `metrics.start(); await metrics.write()
     metrics.count('AnswersFailed', 5); await metrics.close(); process.exit(7)`,
    'pipe',
  )
  expect(end).toBe(7)
  const lines = emfLines(out)
  // What leaves at the very end may overtake what is being written.
  expect([...valuesOf(lines, 'AnswersFailed')].sort()).toEqual([0, 5])
  expect(valuesOf(lines, 'OpenStreams')).toEqual([1])
})

test('the clock keeps no process', async () => {
  expect((await run('metrics.start()', 'pipe')).end).toBe(0)
})

test.runIf(existsSync('/dev/full'))('on a full disk lines are lost, and that is all', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const program = `for (let i = 0; i < 20; i++) { await metrics.write(); await sleep(5) }
      await metrics.close(); process.exit(7)`
    expect((await run(program, full)).end).toBe(7)
  } finally {
    closeSync(full)
  }
})

test('a pipe that nobody reads stops nothing', async () => {
  // Far more than a pipe holds.
  const program = `for (let i = 0; i < 2_000; i++) { metrics.value('TimeToFirstToken', i); await metrics.write() }
    process.stderr.write('all of it'); setInterval(() => {}, 1_000)`
  const child = start(program, 'pipe')
  try {
    const said = await new Promise((resolve) => child.stderr?.once('data', (bytes) => resolve(String(bytes))))
    expect(said).toBe('all of it')
  } finally {
    child.kill('SIGKILL')
  }
})
