// `npm run apply`: a stage's template brought to its stack, by a plan that is shown, judged and agreed to. It is how a
// protected stage is made and changed; it makes no images, and knows nothing of migrations and rolling: a release does.
import { type Aws, callerIn } from '../../aws/port.ts'
import { isPipeline, stageStack } from '../bootstrap/names.ts'
import { closedToPipelines } from '../bootstrap/stage-rights.ts'
import { readCommandLine, readOptions } from '../command-line.ts'
import { printable } from '../plain-text.ts'
import { report } from '../plan/report.ts'
import { asked } from '../service.ts'
import type { Stage } from '../stage-schema.ts'
import {
  InvalidStage,
  isLocked,
  readStage,
  requireOwnAccount,
  STAGE_NAMES,
  STAGES,
  type StageName,
} from '../stages.ts'
import { told } from '../told.ts'
import { describeStack } from './follow.ts'
import type { Judged } from './gate.ts'
import { plannedImages, requireImages } from './images.ts'
import { interruptible } from './interrupt.ts'
import { changeStack } from './stack-change.ts'
import { withStageLock } from './stage-lock.ts'
import { lockOf, stackOf } from './target.ts'

export interface Surroundings {
  readonly connect: (to: { region: string; profile: string | undefined }) => Aws
  /** Asks on the terminal; undefined when there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  readonly print: (text: string) => void
  /** Is told what went wrong, in lines that end. */
  readonly complain: (text: string) => void
  /** Aborted with an `Interrupted` when the run is to end. */
  readonly signal: AbortSignal
  readonly table?: Readonly<Record<string, unknown>>
}

/** An update may replace every server, with a bake time of its own; a database takes an hour. */
const PATIENCE_MS = 4 * 3_600_000

/** @returns the process's exit code: 0 done or nothing to do, 2 stopped by the gate, 130 or 143 by a signal, 1 anything else */
export const apply = (args: readonly string[], around: Surroundings): Promise<number> =>
  told(() => applied(args, around), around.complain, around.signal)

async function applied(args: readonly string[], around: Surroundings): Promise<number> {
  const { ask } = around
  const print = (text: string) => around.print(printable(text))
  const { yes, allowed, takesOver } = ownOptions(args)
  const table = around.table ?? STAGES
  const { stage: name } = readCommandLine(args)
  // Before its images are looked for: nobody else has any.
  requireOwnAccount(name, readStage(name, table))
  const { line, stage, template, images } = asked(args, table)
  if (!yes && ask === undefined)
    throw new InvalidStage('There is no terminal to ask on: --yes says that the plan need not be agreed to.')
  const aws = interruptible(around.connect({ region: stage.region, profile: line.profile }), around.signal)
  const caller = await callerIn(aws, stage.account, `Stage ${line.stage}`)
  print(`Stack terrace-${line.stage} in ${stage.account}, ${stage.region}, as ${caller.arn}\n`)
  if (images !== undefined)
    for (const note of await requireImages(aws, plannedImages(line, stage, images))) print(`${note}\n`)

  const inPipeline = isPipeline(caller.arn, stage)
  const agree = async (changes: readonly Judged[], isNew: boolean): Promise<boolean> => {
    // A creation that failed could not be taken back: what is locked does not go.
    if (isNew && isLocked(stage))
      throw new InvalidStage(
        `Stage ${line.stage} has no stack yet, and is made without servers first: --param fleet=none. ` +
          'They come once its database is migrated.',
      )
    print(`${report(line.stage, stage, template, changes)}${isNew ? '\nThe stack is new.\n' : ''}`)
    if (inPipeline) refuseClosed(line.stage, stage, changes)
    const isAgreed =
      yes || ask === undefined || (await ask(`Type ${line.stage} to do it: `)).trim() === line.stage
    // Asked before, it was without the lock; and a person takes time, in which a release may move what is live.
    if (isAgreed && images !== undefined) await requireImages(aws, plannedImages(line, stage, images))
    return isAgreed
  }
  if (inPipeline) await requireMade(aws, line.stage)
  const say = (text: string) => print(`${text}\n`)
  const lock = { place: lockOf(line.stage, stage), by: caller.arn, command: 'apply', takesOver, say }
  const result = await withStageLock(aws, lock, (held) =>
    changeStack(held.aws, {
      target: stackOf(line.stage, stage, inPipeline ? 'cloudformation-ci' : 'cloudformation'),
      template,
      allowed,
      protection: { policy: stage.isProtected, termination: isLocked(stage) },
      agree,
      say,
      patienceMs: PATIENCE_MS,
    }),
  )
  print(`${RESULTS[result]}\n`)
  return result === 'declined' ? 1 : 0
}

const RESULTS = {
  changed: 'Done.',
  nothing: 'Nothing to change: the stack is as the template has it.',
  declined: 'Nothing was changed.',
} as const

/** Before anything is planned: a stack that has only been planned is one, and a pipeline could not remove it. */
async function requireMade(aws: Aws, name: StageName): Promise<void> {
  const { StackStatus: status = 'DELETE_COMPLETE' } = (await describeStack(aws, stageStack(name))) ?? {}
  if (/^(REVIEW_IN_PROGRESS|ROLLBACK_COMPLETE|DELETE_COMPLETE)$/.test(status))
    throw new InvalidStage(
      `Stage ${name} has no stack yet. Nothing was changed: the first deployment is a person’s, with the deploy role.`,
    )
}

/** What CloudFormation would be refused half-way: its role for pipelines touches nothing that holds data. */
function refuseClosed(name: StageName, stage: Stage, changes: readonly Judged[]): void {
  const closed = closedToPipelines(stage)
  const theirs = changes.filter(({ type }) => closed.has(type))
  if (theirs.length === 0) return
  throw new InvalidStage(
    `Nothing was changed: a pipeline touches nothing that holds data or belongs to it, and this plan does: ${theirs
      .map(({ id, type }) => `${id} (${type})`)
      .join(', ')}. Let a person with the deploy role run it: npm run apply -- --stage ${name}`,
  )
}

const USAGE =
  'npm run apply -- --stage STAGE [--param images=live|candidate] [--param fleet=none] [--param images-folder=FOLDER]\n' +
  '  [--allow-replace LOGICAL_ID] [--take-over-lock] [--yes] [--profile NAME]'

/** @throws InvalidStage for what is no option, and for a stage that somebody forgot to name, or npm kept for itself */
function ownOptions(args: readonly string[]): { yes: boolean; allowed: string[]; takesOver: boolean } {
  const values = readOptions(args, USAGE, ['param', 'profile'], {
    stage: { type: 'string', short: 's' },
    yes: { type: 'boolean' },
    'allow-replace': { type: 'string', multiple: true },
    'take-over-lock': { type: 'boolean' },
  })
  if (values.stage === undefined)
    throw new InvalidStage(`--stage: there is ${STAGE_NAMES.join(', ')}.\n${USAGE}`)
  return {
    yes: values.yes === true,
    allowed: values['allow-replace'] ?? [],
    takesOver: values['take-over-lock'] === true,
  }
}
