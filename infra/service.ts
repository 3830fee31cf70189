// The service as `serverless` wants it described, for one call of it.
import type { AWS } from 'serverless'
import { roleArn, stageStack, stateBucket } from './bootstrap/names.ts'
import type { Template } from './cfn.ts'
import { type CommandLine, readCommandLine } from './command-line.ts'
import { readImages, type StageImages } from './images.ts'
import { CLOSED } from './release/policy.ts'
import { terrace } from './stack.ts'
import type { Stage } from './stage-schema.ts'
import { InvalidStage, readStage, requireOwnAccount, STAGES } from './stages.ts'

/**
 * @param args what `serverless` was called with, without the program's name
 * @throws InvalidStage, UnusableImages; nothing has been sent then
 */
export function service(args: readonly string[], table: Readonly<Record<string, unknown>> = STAGES): AWS {
  const { line, stage, template } = asked(args, table)
  refuseWhatIsUnsafe(line, stage)
  return {
    service: 'terrace',
    frameworkVersion: '4',
    provider: {
      name: 'aws',
      stage: line.stage,
      region: stage.region as NonNullable<AWS['provider']['region']>,
      stackName: stageStack(line.stage),
      // Made by the bootstrap, once per account and region: the bucket, and whose rights CloudFormation works with.
      deploymentBucket: { name: stateBucket(stage) },
      iam: { deploymentRole: roleArn('cloudformation', stage) },
      deploymentMethod: 'changesets',
      stackTags: { service: 'terrace', stage: line.stage },
      ...(stage.isProtected && { stackPolicy: CLOSED.Statement }),
    },
    resources: template as NonNullable<AWS['resources']>,
  }
}

export interface Asked {
  readonly line: CommandLine
  readonly stage: Stage
  readonly template: Template
  /** What the template's servers start from, by the local copy; undefined without servers. */
  readonly images: StageImages | undefined
}

/**
 * The stage that a command line asks for, and its template.
 * @throws InvalidStage, UnusableImages
 */
export function asked(args: readonly string[], table: Readonly<Record<string, unknown>> = STAGES): Asked {
  const line = readCommandLine(args)
  const inTable = readStage(line.stage, table)
  const stage = line.fleet === undefined ? inTable : { ...inTable, fleet: line.fleet }
  const images =
    stage.fleet === 'serving' ? readImages(line.stage, stage, line.images, line.imagesFolder) : undefined
  return { line, stage, template: terrace(line.stage, stage, images), images }
}

/** What changes a stack, wherever it stands among the options: their values look like commands, too. */
const UNSAFE = ['deploy', 'remove', 'rollback']

function refuseWhatIsUnsafe({ commands, stage: name }: CommandLine, stage: Stage): void {
  const command = commands.find((word) => UNSAFE.includes(word))
  if (command === undefined) return
  requireOwnAccount(name, stage)
  if (stage.isProtected)
    throw new InvalidStage(
      `Stage ${name} is protected: serverless ${command} would change it without a plan and without a way back.`,
    )
}
