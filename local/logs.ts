// The children's output. They write to files themselves (not to pipes of ours): when this process is killed, they can
// still say what they do while they stop. We read along, show warnings on the terminal, and rotate by size.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  truncateSync,
} from 'node:fs'
import path from 'node:path'
import { z } from 'zod'

const ROTATE_BYTES = 10 * 1024 * 1024
const KEPT = 3
const READ_EVERY = 250
/** Warnings shown a minute and program; the rest is counted. */
const SHOWN_PER_MINUTE = 20

const lineSchema = z.object({
  level: z.number(),
  msg: z.string().optional(),
  err: z.object({ message: z.string().optional(), code: z.unknown().optional() }).optional(),
})

export interface LogFile {
  readonly path: string
  /** For a child's stdout and stderr. */
  readonly fd: number
  /** The last lines that are no JSON: what a program says when it crashes. */
  tail(lines?: number): string
  close(): void
}

export function openLog(folder: string, name: string, show: (line: string) => void): LogFile {
  const file = path.join(folder, `${name}.log`)
  // Append mode: after a truncation the child's next line lands at the new end.
  const fd = openSync(file, 'a', 0o600)
  const reader = openSync(file, 'r')
  let at = fstatSync(reader).size
  let rest = ''
  let minute = 0
  let shown = 0
  const buffer = Buffer.alloc(64 * 1024)

  const readAlong = () => {
    const size = fstatSync(reader).size
    if (size < at) at = 0
    while (at < size) {
      const bytes = readSync(reader, buffer, 0, buffer.length, at)
      if (bytes === 0) break
      at += bytes
      const lines = (rest + buffer.toString('utf8', 0, bytes)).split('\n')
      rest = (lines.pop() ?? '').slice(-64 * 1024)
      for (const line of lines) consider(line)
    }
    if (size > ROTATE_BYTES) rotate(file)
  }

  const consider = (line: string) => {
    const text = warning(line)
    if (text === null) return
    const now = Math.floor(Date.now() / 60_000)
    if (now !== minute) {
      minute = now
      shown = 0
    }
    shown++
    if (shown <= SHOWN_PER_MINUTE) show(`${name}: ${text}`)
    else if (shown === SHOWN_PER_MINUTE + 1) show(`${name}: more warnings are in ${file}`)
  }

  const timer = setInterval(() => {
    try {
      readAlong()
    } catch {
      // A full disk or a removed folder must not end the product; the next round tries again.
    }
  }, READ_EVERY)
  timer.unref()
  return {
    path: file,
    fd,
    tail: (lines = 15) => lastLines(file, lines),
    close() {
      clearInterval(timer)
      try {
        readAlong()
      } catch {
        // as above
      }
      closeSync(reader)
      closeSync(fd)
    },
  }
}

/** What of a log line belongs on the terminal: pino's warnings and worse; PostgreSQL's fatal lines. */
function warning(line: string): string | null {
  if (!line.startsWith('{')) return /\b(PANIC|No space left on device)\b/.test(line) ? line : null
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line))
    if (!parsed.success || parsed.data.level < 40) return null
    const { msg, err } = parsed.data
    const cause = err?.message && !msg?.includes(err.message) ? err.message : undefined
    return [msg, cause].filter(Boolean).join(': ') || null
  } catch {
    return null
  }
}

/** Copied and cut short, since the child keeps the file open; a line written in between may be lost. */
function rotate(file: string): void {
  for (let n = KEPT - 1; n >= 1; n--)
    if (existsSync(`${file}.${n}`)) renameSync(`${file}.${n}`, `${file}.${n + 1}`)
  copyFileSync(file, `${file}.1`)
  truncateSync(file, 0)
}

function lastLines(file: string, count: number): string {
  try {
    const text = readFileSync(file, 'utf8').slice(-20_000)
    // Of a stack, the error and where it happened; the rest of the way is in the file.
    const lines = text.trimEnd().split('\n')
    const kept = lines.filter((line, i) => !/^\s+at /.test(line) || !/^\s+at /.test(lines[i - 1] ?? ''))
    return kept.slice(-count).join('\n')
  } catch {
    return ''
  }
}
