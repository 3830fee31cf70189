// What a stage's template makes, what that costs, and what it would change: in a template that is there, or in the stack
// that the stage runs by.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { AwsProblem, refusalOf } from '../../aws/problems.ts'
import type { Template } from '../cfn.ts'
import { type CommandLine, readOptions } from '../command-line.ts'
import { type StageImages, UnusableImages } from '../images.ts'
import { printable } from '../plain-text.ts'
import { asked } from '../service.ts'
import type { Stage } from '../stage-schema.ts'
import { InvalidStage, STAGES } from '../stages.ts'
import { told } from '../told.ts'
import { compare } from './changes.ts'
import type { DeployedStage } from './deployed.ts'
import { report, reportOpen } from './report.ts'

export interface Surroundings {
  readonly connect: (to: { region: string; profile: string | undefined }) => Promise<Aws>
  readonly print: (text: string) => void
  /** What can't be done, for a person. */
  readonly complain: (text: string) => void
  readonly table?: Readonly<Record<string, unknown>>
}

const templateSchema = z.looseObject({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.looseObject({}).default({}) }),
  ),
})

/** @returns the process's exit code */
export const plan = (args: readonly string[], around: Surroundings): Promise<number> =>
  // What is deployed may have been written by others.
  told(() => planned(args, { ...around, print: (text) => around.print(printable(text)) }), around.complain)

const USAGE =
  'npm run plan -- --stage STAGE [--param images=live|candidate] [--param fleet=none] [--against TEMPLATE.json | --deployed] [--profile NAME]'

async function planned(args: readonly string[], around: Surroundings): Promise<number> {
  readOptions(args, USAGE, ['stage', 'param', 'against', 'deployed', 'profile'], {})
  const { line, stage, template, images } = asked(args, around.table ?? STAGES)
  const before = await readBefore(line, stage, around)
  const changes = before === undefined ? undefined : compare(before.template, template)
  around.print(report(line.stage, stage, template, changes))
  if (before !== undefined) around.print(reportOpen(line.stage, before.open))
  if (line.deployed && before === undefined)
    around.print(`\nThere is no stack terrace-${line.stage} yet: all of it is new.\n`)
  if (line.deployed && images !== undefined)
    for (const warning of await imageWarnings(line, stage, images, around)) around.print(`\n${warning}\n`)
  return changes?.some(({ blocked }) => blocked !== undefined) ? 2 : 0
}

/** @returns undefined when there is nothing to compare with */
async function readBefore(
  { stage: name, against, deployed, profile }: CommandLine,
  stage: Stage,
  { connect }: Surroundings,
): Promise<DeployedStage | undefined> {
  if (against !== undefined && deployed)
    throw new InvalidStage('--against and --deployed: a plan is against one of them.')
  if (against !== undefined) return { template: readTemplate(against), open: [] }
  if (!deployed) return undefined
  // With AWS's SDK, which takes a second to load: most plans ask nothing of it.
  const { readDeployedStage } = await import('./deployed.ts')
  return readDeployedStage(await connect({ region: stage.region, profile }), name, stage)
}

/** What keeps these images from being applied, or should be known of them: the plan is one nevertheless. */
async function imageWarnings(
  line: CommandLine,
  stage: Stage,
  images: StageImages,
  { connect }: Surroundings,
): Promise<readonly string[]> {
  const { plannedImages, requireImages } = await import('../release/images.ts')
  try {
    const aws = await connect({ region: stage.region, profile: line.profile })
    return await requireImages(aws, plannedImages(line, stage, images))
  } catch (error) {
    if (error instanceof UnusableImages) return [`npm run apply would stop here. ${error.message}`]
    // Whoever may read the stack need not have the right to look at images.
    const said = error instanceof AwsProblem ? error.message : refusalOf(error)
    if (said === undefined) throw error
    return [`Its images could not be looked at: ${said}`]
  }
}

/** @throws InvalidStage for a file that is no template in JSON */
function readTemplate(file: string): Template {
  try {
    return {
      Description: '',
      Outputs: {},
      ...templateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))),
    } as Template
  } catch (cause) {
    throw new InvalidStage(`${file} is not a template in JSON.`, { cause })
  }
}
