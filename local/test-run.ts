// `npm test`, second half (test.mjs is the first): sets up what is missing, then types, lint, dead code, unit and
// integration tests, and last the tests that run the whole product and a browser.
// Every step says how long it took; the last line is "N passed, N failed, N skipped".
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { FAISS_APT, prepareFaiss } from './faiss/prepare.ts'
import { generateClient } from './generate.ts'
import { NATIVE, ROOT, setupLock } from './install.mjs'
import { prepareWeights } from './models/prepare.ts'
import { explain } from './problem.ts'
import { systemPackages } from './test-setup/apt.ts'
import { FAILURES_FILE, type Failure, readFailures } from './test-setup/failures.ts'
import { endLeftovers } from './test-setup/leftovers.ts'
import { add, NONE, type Tally, tallyLine, vitestTally } from './test-setup/tally.ts'
import { buildWeb } from './web-build.ts'

const BIN = path.join(ROOT, 'node_modules/.bin')
const MARK = randomBytes(8).toString('hex')
/** Longer than this and something hangs. */
const STEP_MINUTES = 40

let tally: Tally = NONE
const failures: string[] = []
const failedTests: Failure[] = []
const asked = process.argv.slice(2)
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${BIN}:${process.env.PATH}`,
  TERRACE_TEST_RUN: MARK,
  MODEL_DIR: process.env.MODEL_DIR || path.join(NATIVE, 'models'),
  NEXT_TELEMETRY_DISABLED: '1',
  ORT_DISABLE_TELEMETRY: '1',
}
// The tests choose for themselves; what the caller's own Terrace uses must not reach them.
for (const name of [
  'DATABASE_URL',
  'TERRACE_HOME',
  'PORT',
  'API_PORT',
  'HOST',
  'PUBLIC_URL',
  'MODELS',
  'EMBEDDERS',
  'NODE_ENV',
])
  delete env[name]

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const start = Date.now()
  console.log(`\n── ${title}`)
  try {
    return await work()
  } finally {
    console.log(`── ${title}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
  }
}

/** Counts as one test. */
async function check(title: string, work: () => Promise<boolean>): Promise<boolean> {
  const passed = await step(title, () =>
    work().catch((error: unknown) => {
      console.error(explain(error))
      return false
    }),
  )
  tally = add(tally, passed ? { ...NONE, passed: 1 } : { ...NONE, failed: 1 })
  if (!passed) failures.push(title)
  return passed
}

/** Runs a program with its output shown; its whole group is killed when it hangs. */
function show(command: readonly [string, ...string[]], cwd = ROOT): Promise<number> {
  return new Promise((resolve) => {
    const [program, ...args] = command
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    const killGroup = () => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // ended
      }
    }
    const late = setTimeout(() => {
      console.error(`${program} has run for ${STEP_MINUTES} minutes; ending it.`)
      killGroup()
    }, STEP_MINUTES * 60_000)
    current = killGroup
    child.once('error', (error) => {
      console.error(error.message)
      clearTimeout(late)
      resolve(127)
    })
    child.once('exit', (code) => {
      clearTimeout(late)
      current = () => {}
      resolve(code ?? 1)
    })
  })
}
let current = () => {}

async function vitest(title: string, args: readonly string[]): Promise<void> {
  await step(title, async () => {
    const report = path.join(NATIVE, `vitest-${title.replaceAll(/\W+/g, '-')}.json`)
    mkdirSync(NATIVE, { recursive: true })
    const failed = report.replace(/json$/, 'failures.json')
    for (const file of [report, failed]) rmSync(file, { force: true })
    env[FAILURES_FILE] = failed
    const code = await show([
      process.execPath,
      path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--reporter=${path.join(ROOT, 'local/test-setup/failures.ts')}`,
      `--outputFile.json=${report}`,
    ])
    const result = vitestTally(report, code)
    tally = add(tally, result)
    failedTests.push(...readFailures(failed))
    if (result.failed > 0) failures.push(`${title} (${result.failed})`)
  })
}

async function setUp(): Promise<{ browser: boolean }> {
  const release = await setupLock()
  try {
    const system = await step('Debian packages', systemPackages)
    if (system.installed.length > 0) console.log(`installed: ${system.installed.join(' ')}`)
    if (system.missing.length > 0) console.log(`missing: ${system.missing.join(' ')}; type: ${system.line}`)
    await step('Database client', generateClient)
    const faiss = await step('FAISS', () => prepareFaiss((line) => console.log(line)))
    console.log(faiss.sentence)
    if (faiss.engine === 'exact') console.log(`for the tests of FAISS: ${FAISS_APT}`)
    const weights = await step('Embedding model', () =>
      prepareWeights(NATIVE, (line) => console.log(line), true),
    )
    console.log(weights.sentence)
    return { browser: existsSync('/usr/bin/chromium') }
  } finally {
    release()
  }
}

async function everything(browser: boolean): Promise<void> {
  const tsc = path.join(BIN, 'tsc')
  await check('types', async () => (await show([tsc, '--noEmit', '-p', '.'])) === 0)
  await check('types of the web tier', async () => (await show([tsc, '--noEmit', '-p', 'web'])) === 0)
  await check(
    'types of the model endpoint',
    async () => (await show([tsc, '--noEmit', '-p', 'worker'])) === 0,
  )
  await check('lint', async () => (await show([path.join(BIN, 'biome'), 'ci', '.'])) === 0)
  await check('dead code', async () => (await show([path.join(BIN, 'knip')])) === 0)
  await vitest('unit and integration', [
    '--project',
    'api',
    '--project',
    'web',
    '--project',
    'worker',
    '--project',
    'endpoint',
  ])
  const built = await check('web build', async () => {
    await buildWeb((line) => console.log(line))
    return true
  })
  if (built) await vitest('whole product', ['--project', 'product', '--maxWorkers=1'])
  if (built && browser) await vitest('browser', ['--project', 'e2e', '--maxWorkers=1'])
  else if (!browser) {
    console.log('No Chromium: the browser tests are skipped.')
    tally = add(tally, { ...NONE, skipped: 1 })
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, async () => {
    current()
    await endLeftovers(MARK, 5_000)
    process.exit(1)
  })

try {
  const { browser } = await setUp()
  if (asked.length > 0) await vitest('chosen tests', asked)
  else await everything(browser)
  const left = await endLeftovers(MARK, 20_000)
  for (const { pid, command } of left) console.error(`left running after the tests: ${pid} ${command}`)
  if (left.length > 0) {
    tally = add(tally, { ...NONE, failed: 1 })
    failures.push('processes left running')
  }
} catch (error) {
  console.error(explain(error))
  tally = add(tally, { ...NONE, failed: 1 })
}
for (const { test, message } of failedTests) console.log(`\nFAILED ${test}\n${message}`)
if (failures.length > 0) console.log(`\nFailed: ${failures.join(', ')}`)
console.log(`\n${tallyLine(tally)}`)
process.exit(tally.failed > 0 ? 1 : 0)
