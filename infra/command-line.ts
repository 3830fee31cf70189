// What `serverless` (or `npm run plan`) was called with, as far as the stack depends on it. The framework reads the same words itself, but
// hands them to a configuration only as text to be put in later, and a template is made of more than text.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { IMAGE_CHOICES, type ImageChoice } from './images.ts'
import { InvalidStage, STAGE_NAMES, type StageName } from './stages.ts'

export interface CommandLine {
  /** Every word that is no option; the framework's command is one of them. */
  readonly commands: readonly string[]
  readonly stage: StageName
  /** Which image set: what runs there, or what is to run next. */
  readonly images: ImageChoice
  /** Where the records of image sets lie. */
  readonly imagesFolder: string
  /** Instead of the stage table's word: `none` for a first deploy. */
  readonly fleet: 'none' | 'serving' | undefined
  /** A template that is there already, for `npm run plan`. */
  readonly against: string | undefined
  /** Against the stack that the stage runs by, for `npm run plan`. */
  readonly deployed: boolean
  /** Of AWS's shared files, instead of AWS_PROFILE. */
  readonly profile: string | undefined
}

const OPTIONS = {
  stage: { type: 'string', short: 's' },
  param: { type: 'string', multiple: true },
  against: { type: 'string' },
  deployed: { type: 'boolean' },
  profile: { type: 'string' },
} as const
type Option = keyof typeof OPTIONS
const PARAMS = ['images', 'images-folder', 'fleet'] as const

/**
 * The options of a command of ours; the framework looks at its own itself. One that is misspelt would be no option, and so
 * another stage, another image set, or a plan against nothing, without a word.
 * @param shared which of those above it has, beside its own
 * @throws InvalidStage for what is none of its options, or lacks its value
 */
export function readOptions<Own extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  usage: string,
  shared: readonly Option[],
  own: Own,
) {
  const options: Own = { ...Object.fromEntries(shared.map((name) => [name, OPTIONS[name]])), ...own }
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (cause) {
    throw new InvalidStage(`${cause instanceof Error ? cause.message : ''}\n${usage}`, { cause })
  }
}

/**
 * @param args without the program's name
 * @throws InvalidStage for a stage or a value of --param that there is not
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
  })
  const params = new Map<string, string>()
  for (const param of values.param ?? []) {
    const [, key = '', value] = /^([^=]+)=(.*)$/.exec(String(param)) ?? []
    // Of the framework's own there are none here: nobody else would say that this one does nothing.
    if (value === undefined) throw new InvalidStage(`--param ${String(param)}: it is NAME=VALUE.`)
    params.set(oneOf(key, PARAMS, '--param'), value)
  }
  // Without a value it is `true`; and `dev` is for whoever says nothing.
  const stage = values.stage === undefined ? 'dev' : values.stage === true ? '' : String(values.stage)
  return {
    commands: positionals,
    stage: oneOf(stage, STAGE_NAMES, '--stage'),
    images: oneOf(params.get('images') ?? 'live', IMAGE_CHOICES, '--param images='),
    imagesFolder: params.get('images-folder') ?? '.images',
    fleet: params.has('fleet')
      ? oneOf(params.get('fleet') ?? '', ['none', 'serving'] as const, '--param fleet=')
      : undefined,
    against: typeof values.against === 'string' ? values.against : undefined,
    deployed: values.deployed === true,
    profile: typeof values.profile === 'string' ? values.profile : undefined,
  }
}

function oneOf<T extends string>(value: string, known: readonly T[], option: string): T {
  const found = known.find((one) => one === value)
  if (found === undefined)
    throw new InvalidStage(
      `${option}${option.endsWith('=') ? '' : ' '}${value}: there is ${known.join(', ')}.`,
    )
  return found
}
