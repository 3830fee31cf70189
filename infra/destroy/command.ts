// `npm run destroy -- --stage dev [--delete-data] [--yes] [--take-over-lock] [--profile NAME]`
// Exit code 1: something is in the way, said in words; 3: nobody agreed.
import { parseArgs } from 'node:util'
import { connect } from '../../aws/connect.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { typed, Unasked } from '../ask.ts'
import { StackFailure } from '../release/failure.ts'
import { Interrupted, interruptible, untilSignalled } from '../release/interrupt.ts'
import { EXAMPLE_ACCOUNT } from '../stage-schema.ts'
import { InvalidStage, readStage, STAGE_NAMES } from '../stages.ts'
import { destroy } from './destroy.ts'
import { DestroyFailure } from './failure.ts'

const USAGE = 'npm run destroy -- --stage STAGE [--delete-data] [--yes] [--take-over-lock] [--profile NAME]'

function readArguments() {
  const options = {
    stage: { type: 'string', short: 's' },
    'delete-data': { type: 'boolean' },
    yes: { type: 'boolean' },
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
  return {
    name,
    yes: values.yes === true,
    deletesData: values['delete-data'] === true,
    takesOver: values['take-over-lock'] === true,
    profile: values.profile,
  }
}

const signal = untilSignalled((line) => process.stdout.write(`\n${line}\n`))
try {
  const { name, yes, deletesData, takesOver, profile } = readArguments()
  const stage = readStage(name)
  if (stage.account === EXAMPLE_ACCOUNT)
    throw new InvalidStage(
      `Stage ${name} in infra/stages.ts has the example’s account: there is none of it to take down.`,
    )
  const ending = await destroy(interruptible(connect({ region: stage.region, profile }), signal), {
    name,
    stage,
    deletesData,
    takesOver,
    say: (line) => process.stdout.write(`${line}\n`),
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
  process.exitCode = ending === 'declined' ? 3 : 0
} catch (error) {
  const known =
    error instanceof InvalidStage ||
    error instanceof AwsProblem ||
    error instanceof DestroyFailure ||
    error instanceof StackFailure ||
    error instanceof Interrupted ||
    error instanceof Unasked
  if (!known) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = signal.reason instanceof Interrupted ? signal.reason.exitCode : 1
}
