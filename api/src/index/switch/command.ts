// `npm run engine -- status | switch opensearch|embedded | back | cancel | finish`: which engine answers searches (docs/scaling.md).
// It needs the database alone; the servers do the work.
import readline from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { loadEngineConfig } from '../../config.ts'
import { createPool } from '../../database/pool.ts'
import { ENGINE_NAMES } from '../../engine-names.ts'
import { back, cancel, EngineProblem, finish, type Surroundings, status, switchTo } from './commands.ts'

const USAGE = `npm run engine -- status
npm run engine -- switch opensearch|embedded [--rate PASSAGES_A_SECOND] [--sample QUESTIONS] [--accept] [--yes]
npm run engine -- back                 the engine before answers again
npm run engine -- cancel               gives up what is being built
npm run engine -- finish [--yes]       gives up the way back, and removes the copy of the engine before`

const MOST_QUESTIONS = 1_000

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort(new Error('stopped'))
  })

try {
  const { run, yes } = read()
  const config = loadEngineConfig()
  const pool = createPool(config, { name: 'terrace-engine', max: 2 })
  try {
    await run({
      ...{ config, pool, signal: stop.signal },
      say: (line) => process.stdout.write(`${line}\n`),
      agree: (question) => (yes ? Promise.resolve(true) : ask(question)),
    })
  } finally {
    await pool.end()
  }
} catch (error) {
  const said = error instanceof Error ? error.message : String(error)
  process.stderr.write(
    stop.signal.aborted
      ? 'Stopped. What the servers have begun goes on: npm run engine -- status says how far it is, switch goes on from there, cancel gives it up.\n'
      : `${said}\n`,
  )
  process.exitCode = stop.signal.aborted ? 130 : 1
}

function read(): { run: (around: Surroundings) => Promise<void>; yes: boolean } {
  const { values, positionals } = parsed()
  const [name, engine, ...more] = positionals
  const yes = values.yes === true
  if (more.length > 0 || (engine !== undefined && name !== 'switch')) throw new EngineProblem(USAGE)
  if (name === 'status') return { run: status, yes }
  if (name === 'back') return { run: back, yes }
  if (name === 'cancel') return { run: cancel, yes }
  if (name === 'finish') return { run: finish, yes }
  const to = ENGINE_NAMES.find((one) => one === engine)
  if (name !== 'switch' || to === undefined) throw new EngineProblem(USAGE)
  if (values.rate !== undefined && to === 'embedded')
    throw new EngineProblem(
      '--rate is for a cluster that is filled: servers load the embedded index from a checkpoint, or from the replica in one go.',
    )
  const rate = values.rate === undefined ? undefined : whole('--rate', values.rate, 1, 1_000_000)
  const sample = whole('--sample', values.sample, 1, MOST_QUESTIONS)
  return { run: (around) => switchTo(around, to, { rate, sample, accept: values.accept === true }), yes }
}

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rate: { type: 'string' },
        sample: { type: 'string', default: '100' },
        accept: { type: 'boolean' },
        yes: { type: 'boolean', short: 'y' },
      },
    })
  } catch (cause) {
    throw new EngineProblem(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new EngineProblem(`${name} ${text}: a whole number from ${least} to ${most} is wanted.`)
}

async function ask(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new EngineProblem(
      `${question} Nobody is there to be asked: give --yes. Nothing was changed by this step; what was built is kept.`,
    )
  const terminal = readline.createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: stop.signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
