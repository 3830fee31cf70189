// What failed, said once more at the end of the run: CI keeps only the last lines of a long output.
// A vitest reporter (named by test-run.ts) that writes a list, and the reader of that list.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'
import { z } from 'zod'
import { ROOT } from '../install.mjs'

const failureSchema = z.object({ test: z.string(), message: z.string() })
export type Failure = z.infer<typeof failureSchema>

/** The file that the reporter writes to; without it the reporter does nothing. */
export const FAILURES_FILE = 'TERRACE_TEST_FAILURES'
/** Characters of a message that are kept: a comparison of two large objects must not hide the next failure. */
const MESSAGE_LIMIT = 1500

interface Thrown {
  readonly message?: string | undefined
  readonly stack?: string | undefined
}

/** The message and the first place in our own code. */
function inShort({ message, stack }: Thrown): string {
  const place = stack?.split('\n').find((line) => /^\s+at /.test(line) && !/node_modules|node:/.test(line))
  const lines = [(message || stack || 'no message').slice(0, MESSAGE_LIMIT), place?.trim()]
  return lines.filter((line) => line !== undefined).join('\n')
}

/** The failed tests, the files that could not be run, and errors outside of tests, in the order of the run. */
export function failuresOf(modules: readonly TestModule[], outside: readonly SerializedError[]): Failure[] {
  const failures: Failure[] = []
  const note = (test: string, errors: readonly Thrown[]) => {
    failures.push({ test, message: errors.length === 0 ? 'no message' : errors.map(inShort).join('\n') })
  }
  for (const module of modules) {
    const file = path.relative(ROOT, module.moduleId)
    if (module.errors().length > 0) note(file, module.errors())
    for (const suite of module.children.allSuites())
      if (suite.errors().length > 0) note(`${file} > ${suite.fullName}`, suite.errors())
    for (const test of module.children.allTests('failed'))
      note(`${file} > ${test.fullName}`, test.result().errors ?? [])
  }
  for (const error of outside) note('outside of a test', [error])
  return failures
}

export default class FailuresReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], outside: readonly SerializedError[]): void {
    const file = process.env[FAILURES_FILE]
    if (file) writeFileSync(file, JSON.stringify(failuresOf(modules, outside)))
  }
}

/** What the reporter wrote; nothing when the run ended before it could. */
export function readFailures(file: string): Failure[] {
  return existsSync(file) ? z.array(failureSchema).parse(JSON.parse(readFileSync(file, 'utf8'))) : []
}
