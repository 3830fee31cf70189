import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { parseConfig } from './config.ts'
import { AppError } from './errors.ts'
import { createLog, describeError } from './log.ts'
import { createLogOutput } from './log-output.ts'

const SECRET = 'hunter2-hunter2'

function written(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = []
  const config = parseConfig({
    DATABASE_URL: 'postgresql://x',
    STORAGE: 'file:/tmp/x',
    AUTH_SECRET: 'x'.repeat(32),
    TERRACE_RELEASE: 'r1',
  })
  write(createLog(config, 'api', { write: (line) => void lines.push(line) }))
  return lines.join('')
}

test('secrets are struck out wherever a line carries them', () => {
  const line = written((log) => {
    const headers = { cookie: SECRET, authorization: SECRET, 'set-cookie': SECRET, accept: 'kept' }
    log.info(
      {
        ...headers,
        password: SECRET,
        token: SECRET,
        headers,
        request: { headers, body: { password: SECRET } },
      },
      'x',
    )
  })
  expect(line).not.toContain(SECRET)
  expect(line).toContain('kept')
  expect(JSON.parse(line)).toMatchObject({ name: 'api', release: 'r1', msg: 'x', level: 30 })
})

test('an error is logged by name, code and place, without stack, values, paths and addresses', () => {
  const database = Object.assign(new pg.DatabaseError('duplicate key value', 1, 'error'), {
    code: '23505',
    severity: 'ERROR',
    table: 'users',
    constraint: 'users_email_key',
    detail: `Key (email)=(${SECRET}) already exists.`,
  })
  const cause = new Error(
    `connect postgresql://user:${SECRET}@db.internal/x from /home/someone/${SECRET}/x.ts`,
  )
  const prisma = Object.assign(new Error(`\nInvalid invocation in\n/srv/${SECRET}/x.ts:1`), {
    name: 'PrismaClientKnownRequestError',
    code: 'P2002',
  })
  const text = written((log) => {
    log.error({ err: database }, 'a')
    log.error({ err: new Error('outer', { cause }) }, 'b')
    log.error({ err: prisma }, 'c')
    log.error({ err: SECRET }, 'd')
    log.error({ err: new SyntaxError(`Unexpected token in "${SECRET}"`) }, 'e')
    log.error(new Error(`read /home/${SECRET}/file`), 'f')
  })
  expect(text).not.toContain(SECRET)
  expect(text).not.toContain(import.meta.dirname)
  expect(text).not.toMatch(/node_modules|"stack"/)
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { err: unknown })
  expect(lines[0]?.err).toMatchObject({
    code: '23505',
    message: 'ERROR users users_email_key',
    at: expect.stringMatching(/^log\.test\.ts:\d+$/),
  })
  expect(lines[1]?.err).toMatchObject({
    message: 'outer',
    cause: { message: 'connect <address> from <path>' },
  })
})

test('of an AppError the log gets what is internal', () => {
  expect(describeError(new AppError('NOT_FOUND', {}, { internal: 'version 7 is gone' }))).toMatchObject({
    type: 'AppError',
    code: 'NOT_FOUND',
    message: 'version 7 is gone',
  })
})

/** Runs lines of a program that logs, its stdout where it is told. Returns its exit code or signal, and its stdout. */
async function logging(program: string, stdout: 'pipe' | number): Promise<{ end: unknown; out: string }> {
  const log = path.join(import.meta.dirname, 'log.ts')
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `const { createLog } = await import(${JSON.stringify(log)})
       const log = createLog({ logLevel: 'info', release: 'r' }, 'test')
       process.on('uncaughtException', (err) => { log.fatal({ err }, 'x'); process.exit(1) })
       const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
       ${program}`,
    ],
    { stdio: ['ignore', stdout, 'ignore'], timeout: 20_000, killSignal: 'SIGKILL' },
  )
  let out = ''
  child.stdout?.on('data', (bytes) => {
    out += String(bytes)
  })
  const end = await new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))
  return { end, out }
}

test.runIf(existsSync('/dev/full'))(
  'a full disk costs lines, not the process',
  async () => {
    const full = openSync('/dev/full', 'w')
    try {
      const { end } = await logging(
        `for (let i = 0; i < 5; i++) { log.info('a'); log.warn('b'); await sleep(50) }
       log.error('c'); log.fatal('d'); log.info('e')
       process.exit(7)`,
        full,
      )
      expect(end).toBe(7)
    } finally {
      closeSync(full)
    }
  },
  30_000,
)

test('every line is out when the process ends', async () => {
  const { end, out } = await logging(
    `for (let i = 0; i < 2000; i++) { log.info({ i }, 'x'.repeat(100)); if (i % 500 === 0) await sleep(1) }
     process.exit(7)`,
    'pipe',
  )
  expect(end).toBe(7)
  const lines = out.trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { i: number }).i).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 2000 }, (_, i) => i),
  )
}, 30_000)

test.runIf(existsSync('/dev/full'))('what can not be written does not pile up', async () => {
  const full = openSync('/dev/full', 'w')
  const before = process.memoryUsage().rss
  const output = createLogOutput(full)
  for (let i = 0; i < 1_000; i++) output.write('x'.repeat(1_000_000))
  await new Promise((resolve) => setTimeout(resolve, 100))
  closeSync(full)
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
})
