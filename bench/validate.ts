// `npm run bench -- validate`: how long every stage's template takes through AWS's own validator, in this process as
// `npm test` does it, and through all of `npm run lint:aws`, whose tools are there already.
// Beside it, in the same run: the templates alone, and what loading the validator costs.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CelEngine, TemplateFile } from '@aws/cloudformation-validate'
import { sample } from '../infra/samples.ts'
import { STAGE_NAMES } from '../infra/stages.ts'
import { begin, finish, ROOT, spread } from './harness.ts'

const ROUNDS = 3

const run = begin('validate', ['@aws/cloudformation-validate'])
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-validate-'))

function seconds(work: () => void): number {
  const before = performance.now()
  work()
  return (performance.now() - before) / 1000
}

function lint(): void {
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'lint:aws'], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0 || /^skipped:/m.test(stdout))
    throw new Error(`npm run lint:aws ended with ${status}:\n${stdout}${stderr}`)
}

try {
  // Fetches the tools where they are missing, which is not what is measured.
  lint()
  const times = {
    templates: [] as number[],
    engine: [] as number[],
    stages: [] as number[],
    lint: [] as number[],
  }
  for (let round = 0; round < ROUNDS; round++) {
    times.templates.push(
      seconds(() => {
        for (const name of STAGE_NAMES)
          writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(sample(name).template))
      }),
    )
    let engine: InstanceType<typeof CelEngine> | undefined
    times.engine.push(
      seconds(() => {
        engine = new CelEngine()
      }),
    )
    times.stages.push(
      seconds(() => {
        for (const name of STAGE_NAMES)
          engine?.validateStandard(new TemplateFile(path.join(folder, `${name}.json`)), {
            pseudoParameterOverrides: { region: 'eu-west-1' },
          })
      }),
    )
    engine?.free()
    times.lint.push(seconds(lint))
  }
  const whole = times.stages.map(
    (stages, round) => stages + (times.engine[round] ?? 0) + (times.templates[round] ?? 0),
  )
  finish(
    run,
    {
      rounds: ROUNDS,
      stages: STAGE_NAMES.length,
      templatesAloneS: spread(times.templates),
      validatorAloneS: spread(times.engine),
      stagesS: spread(times.stages),
      lintAwsS: spread(times.lint),
    },
    [
      {
        bar: 'validation of all stages, as in npm test: the slowest',
        value: Math.max(...whole),
        limit: 30,
        unit: 's',
        better: 'less',
      },
      {
        bar: 'validation of all stages and the bootstrap by all three tools (npm run lint:aws): the slowest',
        value: Math.max(...times.lint),
        limit: 30,
        unit: 's',
        better: 'less',
      },
    ],
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
