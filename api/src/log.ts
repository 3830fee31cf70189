// JSON lines on stdout with request, person and release ids, and nothing of what people wrote or uploaded.
// Errors are logged by name, code and place in our own source: their messages may quote values, their stacks
// name folders of the machine.
import path from 'node:path'
import pg from 'pg'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { createLogOutput } from './log-output.ts'

const SECRETS = ['authorization', 'cookie', '["set-cookie"]', 'password', 'token']
const join = (parent: string, name: string) => (name.startsWith('[') ? parent + name : `${parent}.${name}`)

/** `name` is the process: `api`, `ingest`. Written to stdout unless `destination` says otherwise. */
export function createLog(
  config: Pick<Config, 'logLevel' | 'release'>,
  name: string,
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { name, release: config.release },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: SECRETS.flatMap((secret) => [secret, join('*', secret), join('*.*', secret)]),
        censor: '[redacted]',
      },
      serializers: { err: describeError, error: describeError },
    },
    destination ?? stdout(),
  )
}

/** What waits there when the process ends still leaves. */
function stdout(): DestinationStream {
  const output = createLogOutput(1)
  process.once('exit', () => output.flushSync())
  return output
}

export interface ErrorDescription {
  readonly type: string
  readonly code?: string
  readonly message?: string
  /** `chat/ask.ts:12`: the innermost place in our own source. */
  readonly at?: string
  readonly cause?: ErrorDescription
}

const SOURCE = path.resolve(import.meta.dirname)
const FRAME = new RegExp(`${SOURCE.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}/([^():]+:\\d+)`)

/** What may be logged of an error. Accepts anything that can be thrown. */
export function describeError(thrown: unknown, depth = 0): ErrorDescription {
  if (!(thrown instanceof Error)) return { type: typeof thrown }
  const at = FRAME.exec(thrown.stack ?? '')?.[1]
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
  const message = safeMessage(thrown)
  return {
    type: thrown.name,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(at === undefined ? {} : { at }),
    ...(thrown.cause === undefined || depth >= 3 ? {} : { cause: describeError(thrown.cause, depth + 1) }),
  }
}

function safeMessage(error: Error): string | undefined {
  if (error instanceof AppError) return error.internal
  // PostgreSQL quotes values in its messages and details: names of things are enough to find the statement.
  if (error instanceof pg.DatabaseError)
    return [error.severity, error.table, error.column, error.constraint].filter(Boolean).join(' ')
  // Prisma prints the calling source line with its path, zod and JSON.parse quote what they read.
  if (/^(Prisma|Zod|\$Zod|SyntaxError)/.test(error.name)) return undefined
  const line = error.message.split('\n', 1)[0] ?? ''
  return line
    .replace(/\w+:\/\/[^\s'"]+/g, '<address>')
    .replace(/(?:\/[\w.@+-]+){2,}/g, '<path>')
    .slice(0, 300)
}
