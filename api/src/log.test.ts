import pg from 'pg'
import { expect, test } from 'vitest'
import { parseConfig } from './config.ts'
import { AppError } from './errors.ts'
import { createLog, describeError } from './log.ts'

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
