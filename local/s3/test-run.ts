// `npm run test:s3`, second half: the S3 server's program, then the tests that need one (vitest.s3.config.ts). They
// start and end their servers themselves; whatever were left running is ended here and counts as a failure.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { generateClient } from '../generate.ts'
import { ROOT, setupLock } from '../install.mjs'
import { explain } from '../problem.ts'
import { endLeftovers } from '../test-setup/leftovers.ts'
import { seaweedBinary } from './server-binary.ts'

const MARK = randomBytes(8).toString('hex')

async function setUp(): Promise<string> {
  const release = await setupLock()
  try {
    await generateClient()
    return await seaweedBinary((line) => console.log(line))
  } finally {
    release()
  }
}

/** What the caller's own Terrace and AWS account use must not reach the tests. */
function environment(weed: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:AWS_|DATABASE_|STORAGE$|TERRACE_HOME$|MODELS$|PUBLIC_URL$|NODE_ENV$)/.test(name),
  )
  return { ...Object.fromEntries(kept), WEED: weed, TERRACE_TEST_RUN: MARK }
}

try {
  const weed = await setUp()
  const args = ['run', '--config', path.join(ROOT, 'vitest.s3.config.ts'), ...process.argv.slice(2)]
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, ...args], {
    cwd: ROOT,
    env: environment(weed),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)))
  const left = await endLeftovers(MARK, 20_000)
  for (const { pid, command } of left) console.error(`left running after the tests: ${pid} ${command}`)
  process.exitCode = left.length > 0 ? 1 : code
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
