// `npm run images:pull -- --stage prod [--choice live|candidate|both] [--profile NAME]`
// Exit code 1: there is none, or none that the stage can use. `both` is content with one of them.
import { parseArgs } from 'node:util'
import { connect } from '../aws/connect.ts'
import { callerIn } from '../aws/port.ts'
import { IMAGE_CHOICES } from './images.ts'
import { pullImages, saysPulled } from './images-pull.ts'
import { printable } from './plain-text.ts'
import { InvalidStage, readStage, requireOwnAccount, STAGE_NAMES } from './stages.ts'
import { told } from './told.ts'

const USAGE = 'npm run images:pull -- --stage STAGE [--choice live|candidate|both] [--profile NAME]'

function readArguments() {
  let values: { stage?: string; choice?: string; profile?: string; folder?: string }
  try {
    ;({ values } = parseArgs({
      options: {
        stage: { type: 'string', short: 's' },
        choice: { type: 'string', default: 'both' },
        folder: { type: 'string', default: '.images' },
        profile: { type: 'string' },
      },
    }))
  } catch (cause) {
    throw new InvalidStage(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
  const name = STAGE_NAMES.find((one) => one === values.stage)
  if (name === undefined)
    throw new InvalidStage(`--stage ${values.stage ?? ''}: there is ${STAGE_NAMES.join(', ')}.\n${USAGE}`)
  const choices = IMAGE_CHOICES.filter((one) => one === values.choice || values.choice === 'both')
  if (choices.length === 0)
    throw new InvalidStage(`--choice ${values.choice}: there is ${IMAGE_CHOICES.join(', ')}, both.\n${USAGE}`)
  return { name, choices, folder: values.folder ?? '.images', profile: values.profile }
}

async function pull(): Promise<number> {
  const { name, choices, folder, profile } = readArguments()
  const stage = readStage(name)
  requireOwnAccount(name, stage)
  const aws = connect({ region: stage.region, profile })
  await callerIn(aws, stage.account, `Stage ${name}`)
  let found = 0
  for (const choice of choices) {
    const pulled = await pullImages(aws, name, stage, choice, folder)
    if (pulled.set !== undefined) found++
    process.stdout.write(`${printable(saysPulled(name, stage, pulled))}\n`)
  }
  return found > 0 ? 0 : 1
}

process.exitCode = await told(pull, (text) => process.stderr.write(text))
