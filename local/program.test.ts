import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type LogFile, openLog } from './logs.ts'
import { Problem } from './problem.ts'
import { type Program, type Supervised, supervise } from './program.ts'

let folder: string
let log: LogFile
let said: string[]
let running: Supervised | undefined

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-program-'))
  said = []
  log = openLog(folder, 'it', (line) => said.push(line))
})
afterEach(async () => {
  running?.started.catch(() => {})
  await running?.stop(5_000)
  running = undefined
  log.close()
  rmSync(folder, { recursive: true, force: true })
})

function program(script: string, extra: Partial<Program> = {}): Program {
  return {
    name: 'it',
    command: [process.execPath, '-e', script],
    env: process.env,
    ready: () => Promise.resolve(readFileSync(log.path, 'utf8').includes('up')),
    ...extra,
  }
}

function start(what: Program): Supervised {
  running = supervise(what, { log, say: (line) => said.push(line), backoffMs: () => 10 })
  return running
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const UP = "console.log('up', process.pid);"
const STAY = 'setInterval(() => {}, 1e9);'

test('it is started, ready, stopped by SIGTERM', async () => {
  const it = start(
    program(`${UP} process.on('SIGTERM', () => { console.log('bye'); process.exit() }); ${STAY}`),
  )
  await it.started
  const pid = it.pid()
  expect(pid).toBeGreaterThan(0)
  await it.stop(5_000)
  expect(alive(pid ?? 0)).toBe(false)
  expect(readFileSync(log.path, 'utf8')).toContain('bye')
  expect(said).toEqual([])
})

test('one that ignores SIGTERM is killed when its time is over', async () => {
  const it = start(program(`process.on('SIGTERM', () => {}); ${UP} ${STAY}`))
  await it.started
  const pid = it.pid() ?? 0
  await it.stop(300)
  expect(alive(pid)).toBe(false)
  expect(said.join()).toContain('does not stop')
})

test('one that ends before it is ready says why', async () => {
  const it = start(program("console.error('no such thing'); process.exit(3)"))
  await expect(it.started).rejects.toThrow(/it does not start \(exit code 3\)[\s\S]*no such thing/)
})

test('its own sentence is used where it has one', async () => {
  const explain = (tail: string) => (tail.includes('EADDRINUSE') ? new Problem('taken', 'move') : undefined)
  const it = start(program("console.error('EADDRINUSE'); process.exit(1)", { explain }))
  await expect(it.started).rejects.toThrow('taken')
})

test('a crash is told and it runs again; after a stop it does not', async () => {
  const it = start(program(`${UP} ${STAY}`))
  await it.started
  const first = it.pid() ?? 0
  process.kill(first, 'SIGKILL')
  await vi.waitFor(() => expect(said.join()).toContain('is running again'), { timeout: 10_000 })
  expect(it.pid()).not.toBe(first)
  expect(said[0]).toContain('ended unexpectedly (SIGKILL)')
  const second = it.pid() ?? 0
  await it.stop(5_000)
  await sleep(100)
  expect(alive(second)).toBe(false)
  expect(it.pid()).toBeUndefined()
})

test('what a crashed one had started itself does not live on', async () => {
  const child = `require('node:child_process').spawn(process.execPath, ['-e', "console.log('child', process.pid); ${STAY}"], { stdio: 'inherit' });`
  const it = start(program(`${child} ${UP} ${STAY}`))
  await it.started
  const childPid = await vi.waitFor(
    () => {
      const found = /child (\d+)/.exec(readFileSync(log.path, 'utf8'))?.[1]
      expect(found).toBeDefined()
      return Number(found)
    },
    { timeout: 20_000 },
  )
  process.kill(it.pid() ?? 0, 'SIGKILL')
  await vi.waitFor(() => expect(alive(childPid)).toBe(false), { timeout: 5_000 })
})

test('its stdin ends with the one that started it', async () => {
  const script = path.join(import.meta.dirname, 'program.ts')
  const logs = path.join(import.meta.dirname, 'logs.ts')
  const { spawn } = await import('node:child_process')
  const inner = `process.stdin.on('end', () => { console.log('orphaned'); process.exit() }).resume(); ${UP} ${STAY}`
  const outer = `
    const { supervise } = await import(${JSON.stringify(script)})
    const { openLog } = await import(${JSON.stringify(logs)})
    const log = openLog(${JSON.stringify(folder)}, 'inner', console.log)
    supervise({ name: 'inner', command: [process.execPath, '-e', ${JSON.stringify(inner)}], env: process.env, ready: async () => true }, { log, say: console.log })
    setInterval(() => {}, 1e9)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', outer], { stdio: 'inherit' })
  const file = path.join(folder, 'inner.log')
  await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toContain('up'), { timeout: 10_000 })
  parent.kill('SIGKILL')
  await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toContain('orphaned'), { timeout: 10_000 })
})
