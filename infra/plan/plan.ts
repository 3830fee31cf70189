// What a stage's template makes, what that costs, and what it would change: in a template that is there, or in the stack
// that the stage runs by.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { AwsProblem, refusalOf } from '../../aws/problems.ts'
import type { Template } from '../cfn.ts'
import type { CommandLine } from '../command-line.ts'
import { UnusableImages } from '../images.ts'
import { asked } from '../service.ts'
import type { Stage } from '../stage-schema.ts'
import { InvalidStage, STAGES } from '../stages.ts'
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

const FOR_A_PERSON = [InvalidStage, UnusableImages, AwsProblem]

const templateSchema = z.looseObject({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.looseObject({}).default({}) }),
  ),
})

/** @returns the process's exit code */
export async function plan(args: readonly string[], around: Surroundings): Promise<number> {
  try {
    const { line, stage, template } = asked(args, around.table ?? STAGES)
    const before = await readBefore(line, stage, around)
    const changes = before === undefined ? undefined : compare(before.template, template)
    around.print(report(line.stage, stage, template, changes))
    if (before !== undefined) around.print(reportOpen(line.stage, before.open))
    if (line.deployed && before === undefined)
      around.print(`\nThere is no stack terrace-${line.stage} yet: all of it is new.\n`)
    return changes?.some(({ blocked }) => blocked !== undefined) ? 2 : 0
  } catch (error) {
    const isOurs = FOR_A_PERSON.some((kind) => error instanceof kind)
    const text = isOurs && error instanceof Error ? error.message : refusalOf(error)
    if (text === undefined) throw error
    around.complain(`${text}\n`)
    return 1
  }
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
