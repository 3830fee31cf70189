import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { type EmfLine, emfLines } from '../../contract/emf.schema.ts'
import { METRICS } from '../../contract/metrics.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

const MADE_AT = new Date(Date.now() - 36 * 3_600_000).toISOString()

/** Stands for Next's server, which starts them in instrumentation.ts: with the environment as lib/env.ts reads it. */
function start(env: Record<string, string>, stdout: 'pipe' | number, then: string): ChildProcess {
  const from = (file: string) => JSON.stringify(path.join(import.meta.dirname, file))
  const program = `
    import { startMetrics } from ${from('metrics.ts')}
    import { imageMadeAt, release, stage } from ${from('../lib/env.ts')}
    startMetrics({ stage: stage(), release: release(), imageMadeAt: imageMadeAt() }, Number(process.env.EVERY_MS ?? 5))
    ${then}`
  const argv = ['--input-type=module-typescript', '-e', program]
  const child = spawn(process.execPath, argv, {
    env: { ...env, NODE_ENV: 'production' },
    stdio: ['ignore', stdout, 'inherit'],
  })
  children.push(child)
  return child
}

const STAGE = { TERRACE_STAGE: 'test', TERRACE_RELEASE: 'r1' }

/** What it wrote by the time of its end. */
async function written(env: Record<string, string>): Promise<EmfLine[]> {
  const child = start(env, 'pipe', 'setTimeout(() => process.exit(7), 300)')
  let out = ''
  child.stdout?.on('data', (bytes) => {
    out += String(bytes)
  })
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(7)
  expect(out.split('\n').filter((line) => line !== '' && !line.includes('"_aws"'))).toEqual([])
  return emfLines(out)
}

it('they are told at once, not only when the minute is over', async () => {
  expect(await written({ ...STAGE, EVERY_MS: '60000' })).toHaveLength(1)
})

it('everything that is the web tier’s is told, again and again', async () => {
  const lines = await written({ ...STAGE, TERRACE_IMAGE_MADE_AT: MADE_AT })
  expect(lines.length).toBeGreaterThan(1)
  const [line] = lines
  expect(line).toMatchObject({ stage: 'test', tier: 'web' })
  expect(line?.more).toEqual({
    ...{ name: 'web', release: 'r1', level: 30, msg: 'metrics' },
    time: expect.stringMatching(/^20\d\d-/),
  })
  const ours = Object.entries(METRICS).filter(([, { tiers }]) => tiers.some((tier) => tier === 'web'))
  expect([...(line?.values.keys() ?? [])].sort()).toEqual(ours.map(([name]) => name).sort())
  for (const name of ['MemoryUsed', 'DiskUsed'] as const) {
    expect(line?.values.get(name)?.[0]).toBeGreaterThan(0)
    expect(line?.values.get(name)?.[0]).toBeLessThanOrEqual(100)
  }
  expect(line?.values.get('ImageAge')?.[0]).toBeCloseTo(1.5, 1)
})

it('an image that does not say when it was made has no age', async () => {
  for (const env of [STAGE, { ...STAGE, TERRACE_IMAGE_MADE_AT: 'yesterday' }])
    for (const line of await written(env)) expect([...line.values.keys()]).toEqual(['MemoryUsed', 'DiskUsed'])
})

it('without a stage nothing is written', async () => {
  expect(await written({ TERRACE_IMAGE_MADE_AT: MADE_AT })).toEqual([])
})

it('they keep no process', async () => {
  const child = start(STAGE, 'pipe', '')
  child.stdout?.resume()
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
})

/** Half a second of lines that can't be written, with files read meanwhile; then its own end. */
const GOES_ON = `
  import { stat } from 'node:fs/promises'
  for (let i = 0; i < 100; i++) { await stat('.'); await new Promise((done) => setTimeout(done, 5)) }
  process.exit(7)`

it.runIf(existsSync('/dev/full'))('on a full disk lines are lost, and that is all', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const child = start(STAGE, full, GOES_ON)
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(7)
  } finally {
    closeSync(full)
  }
})

it('a pipe that nobody reads stops nothing', async () => {
  // Filled first, to the last byte that it holds.
  const fill = `
    import { writeSync } from 'node:fs'
    import { Socket } from 'node:net'
    new Socket({ fd: 1 })
    try { for (;;) writeSync(1, 'x'.repeat(65_536)) } catch {}`
  const child = start(STAGE, 'pipe', fill + GOES_ON)
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(7)
})
