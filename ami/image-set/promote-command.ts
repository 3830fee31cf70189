// `npm run promote -- --from staging --to prod [--profile NAME]`, or `--set NAME` instead of `--from`. Exit code 1: something is in the way, said in words.
import { parseArgs } from 'node:util'
import { connect } from '../../aws/connect.ts'
import { callerIn } from '../../aws/port.ts'
import { InvalidStage, readStage, requireOwnAccount, STAGE_NAMES } from '../../infra/stages.ts'
import { told } from '../../infra/told.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { promote, type StageAt } from './promote.ts'

const USAGE = 'npm run promote -- --from STAGE|--set NAME --to STAGE [--profile NAME]'

function stageOf(option: string, given: string | undefined): StageAt {
  const name = STAGE_NAMES.find((one) => one === given)
  if (name === undefined)
    throw new InvalidStage(`--${option} ${given ?? ''}: there is ${STAGE_NAMES.join(', ')}.\n${USAGE}`)
  const stage = readStage(name)
  requireOwnAccount(name, stage)
  return { name, stage }
}

function readArguments() {
  let values: { from?: string; set?: string; to?: string; profile?: string }
  try {
    ;({ values } = parseArgs({
      options: {
        from: { type: 'string' },
        set: { type: 'string' },
        to: { type: 'string' },
        profile: { type: 'string' },
      },
    }))
  } catch (cause) {
    throw new InvalidStage(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
  const { from, set, to, profile } = values
  if (set === undefined) return { from: stageOf('from', from), to: stageOf('to', to), profile }
  if (from !== undefined) throw new InvalidStage(`There is either --from or --set.\n${USAGE}`)
  if (!/^[0-9a-f]{12,64}$/.test(set))
    throw new InvalidStage(
      `--set ${set}: at least 12 digits of an image set’s name, as the bake says it.\n${USAGE}`,
    )
  return { from: { set }, to: stageOf('to', to), profile }
}

async function run(): Promise<number> {
  const { from, to, profile } = readArguments()
  const aws = connect({ region: to.stage.region, profile })
  await callerIn(aws, to.stage.account, `Stage ${to.name}`)
  const { set, moved } = await promote(aws, from, to)
  process.stdout.write(
    `${to.name} is ${moved ? '' : 'already '}to run image set ${set.inputs.slice(0, 12)} next: release ${set.release}, made ${set.madeAt}${'set' in from ? '' : `, which ${from.name} runs`}.\n`,
  )
  return 0
}

process.exitCode = await told(run, (text) => process.stderr.write(text), undefined, [BakeFailure])
