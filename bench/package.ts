// `npm run bench -- package`: how long `npx serverless package --stage prod` takes: the first call on a machine, for which
// the framework compiles a validator of its configuration and keeps it in the home folder, and every later one.
// Beside it, in the same run: the framework when it does nothing, and the template alone.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SAMPLE_IMAGES } from '../infra/sample-images.ts'
import { begin, finish, ROOT, spread } from './harness.ts'

const ROUNDS = 7

const run = begin('package', ['serverless', 'ajv'])
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-package-'))

/** Seconds of one command, as if nobody else had ever worked on this machine but whose home it is. */
function seconds(home: string, command: string, args: readonly string[]): number {
  const temporary = path.join(home, 'tmp')
  mkdirSync(temporary, { recursive: true })
  const env = { HOME: home, TMPDIR: temporary, PATH: process.env.PATH, AWS_EC2_METADATA_DISABLED: 'true' }
  const before = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, env, encoding: 'utf8' })
  const took = (performance.now() - before) / 1000
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return took
}

try {
  writeFileSync(path.join(folder, 'prod-live.json'), JSON.stringify(SAMPLE_IMAGES))
  const packaged = ['--package', path.join(folder, 'out'), '--param', `images-folder=${folder}`]
  const call = ['serverless', 'package', '--stage', 'prod', '--param', 'images=live', ...packaged]
  const template = ['--input-type=module', '-e', "(await import('./infra/samples.ts')).sample('prod')"]
  seconds(path.join(folder, 'warm-up'), 'npx', call)
  const times = {
    first: [] as number[],
    later: [] as number[],
    version: [] as number[],
    template: [] as number[],
  }
  for (let round = 0; round < ROUNDS; round++) {
    const home = path.join(folder, `home-${round}`)
    times.first.push(seconds(home, 'npx', call))
    times.later.push(seconds(home, 'npx', call))
    times.version.push(seconds(home, 'npx', ['serverless', '--version']))
    times.template.push(seconds(home, process.execPath, template))
  }
  const first = spread(times.first)
  finish(
    run,
    {
      rounds: ROUNDS,
      firstS: first,
      laterS: spread(times.later),
      frameworkAloneS: spread(times.version),
      templateAloneS: spread(times.template),
      firstOverLater: first.p50 / spread(times.later).p50,
    },
    [
      {
        bar: 'package, the first call in a home folder',
        value: first.p50,
        limit: 5,
        unit: 's',
        better: 'less',
      },
      { bar: 'package, the first call: the slowest', value: first.max, limit: 5, unit: 's', better: 'less' },
    ],
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
