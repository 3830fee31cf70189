import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type LogFile, openLog } from './logs.ts'

let folder: string
let log: LogFile
let shown: string[]
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-logs-'))
  shown = []
  log = openLog(folder, 'api', (line) => shown.push(line))
})
afterEach(() => {
  log.close()
  rmSync(folder, { recursive: true, force: true })
})

const line = (level: number, msg: string, extra = {}) => `${JSON.stringify({ level, msg, ...extra })}\n`

test('warnings and errors are shown, the rest is kept in the file', async () => {
  writeSync(log.fd, `${line(30, 'quiet')}${line(40, 'careful')}not json\n`)
  writeSync(log.fd, line(50, 'failed', { err: { message: 'disk full' } }))
  await vi.waitFor(() => expect(shown).toEqual(['api: careful', 'api: failed: disk full']), {
    timeout: 20_000,
  })
  expect(readFileSync(log.path, 'utf8')).toContain('quiet')
})

test('a flood of warnings is cut short', async () => {
  for (let i = 0; i < 100; i++) writeSync(log.fd, line(40, `warning ${i}`))
  await vi.waitFor(() => expect(shown.at(-1)).toContain('more warnings are in'), { timeout: 20_000 })
  expect(shown.length).toBeLessThan(50)
})

test('a line that comes in two writes is one line', async () => {
  const whole = line(40, 'in two parts')
  writeSync(log.fd, whole.slice(0, 10))
  await new Promise((resolve) => setTimeout(resolve, 400))
  writeSync(log.fd, whole.slice(10))
  await vi.waitFor(() => expect(shown).toEqual(['api: in two parts']), { timeout: 20_000 })
})

test('a large file makes room, and the writer goes on at its beginning', async () => {
  writeSync(log.fd, `${'x'.repeat(1023)}\n`.repeat(11 * 1024))
  await vi.waitFor(() => expect(existsSync(`${log.path}.1`)).toBe(true), { timeout: 5_000 })
  writeSync(log.fd, line(40, 'after'))
  await vi.waitFor(() => expect(shown).toEqual(['api: after']), { timeout: 20_000 })
  expect(statSync(log.path).size).toBeLessThan(100)
})
