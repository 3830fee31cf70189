// Tests that are apart from `npm test`, with a configuration of their own: run to their end, after which nothing that they
// have started may be left.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { ROOT } from '../install.mjs'
import { endLeftovers } from './leftovers.ts'

/**
 * @param config of vitest, below the checkout
 * @param args for vitest
 * @returns the exit code: vitest's, or 1 when something was left running; that is named, and ended
 */
export async function runApart(
  config: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const mark = randomBytes(8).toString('hex')
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--config', path.join(ROOT, config), ...args], {
    cwd: ROOT,
    env: { ...env, TERRACE_TEST_RUN: mark },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)))
  const left = await endLeftovers(mark, 20_000)
  for (const { pid, command } of left) console.error(`left running after the tests: ${pid} ${command}`)
  return left.length > 0 ? 1 : code
}
