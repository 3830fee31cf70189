// `npm run destroy -- --stage dev [--delete-data] [--yes] [--take-over-lock] [--profile NAME]`
// `npm run destroy -- --stage dev --undo`: as long as its deletion has not begun.
// Exit code 1: something is in the way, said in words; 3: nobody agreed; 130, 143: ended by a signal.
import { parseArgs } from 'node:util'
import { connect } from '../../aws/connect.ts'
import { typed } from '../ask.ts'
import { printable } from '../plain-text.ts'
import { interruptible, untilSignalled } from '../release/interrupt.ts'
import { EXAMPLE_ACCOUNT } from '../stage-schema.ts'
import { InvalidStage, readStage, STAGE_NAMES } from '../stages.ts'
import { told } from '../told.ts'
import { destroy } from './destroy.ts'
import { undo } from './undo.ts'

const DECLINED = 3
const USAGE =
  'npm run destroy -- --stage STAGE [--delete-data] [--yes] [--undo] [--take-over-lock] [--profile NAME]'

function readArguments() {
  const options = {
    stage: { type: 'string', short: 's' },
    'delete-data': { type: 'boolean' },
    yes: { type: 'boolean' },
    undo: { type: 'boolean' },
    'take-over-lock': { type: 'boolean' },
    profile: { type: 'string' },
  } as const
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values']
  try {
    ;({ values } = parseArgs({ options }))
  } catch (cause) {
    throw new InvalidStage(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
  const name = STAGE_NAMES.find((one) => one === values.stage)
  // None by itself: this is no command for a stage that somebody forgot to name.
  if (name === undefined)
    throw new InvalidStage(`--stage ${values.stage ?? ''}: there is ${STAGE_NAMES.join(', ')}.\n${USAGE}`)
  if (values.undo && values['delete-data'])
    throw new InvalidStage(`--undo and --delete-data: it is one of them.\n${USAGE}`)
  return {
    name,
    undoes: values.undo === true,
    yes: values.yes === true,
    deletesData: values['delete-data'] === true,
    takesOver: values['take-over-lock'] === true,
    profile: values.profile,
  }
}

const signal = untilSignalled((line) => process.stdout.write(`\n${line}\n`))

async function run(): Promise<number> {
  const { name, yes, undoes, deletesData, takesOver, profile } = readArguments()
  const stage = readStage(name)
  if (stage.account === EXAMPLE_ACCOUNT)
    throw new InvalidStage(
      `Stage ${name} in infra/stages.ts has the example’s account: there is none of it to take down.`,
    )
  const aws = interruptible(connect({ region: stage.region, profile }), signal)
  const say = (line: string) => process.stdout.write(`${printable(line)}\n`)
  if (undoes) {
    await undo(aws, { name, stage, say, takesOver })
    return 0
  }
  const ending = await destroy(aws, {
    name,
    stage,
    deletesData,
    takesOver,
    say,
    agrees: async (what) =>
      yes ||
      (await typed(
        what === 'stage'
          ? `Type ${name} to take this stage down: `
          : `Its documents and snapshots can’t be brought back afterwards. Type ${name} once more to delete them: `,
        name,
        signal,
      )),
  })
  return ending === 'declined' ? DECLINED : 0
}

process.exitCode = await told(run, (text) => process.stderr.write(text), signal)
