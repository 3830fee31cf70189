// Brings the bootstrap to an account and region, from whatever is there: nothing, all of it, what an earlier run or an
// earlier life left. It can be ended anywhere and run again.
import {
  CreateServiceLinkedRoleCommand,
  GetOpenIDConnectProviderCommand,
  GetRoleCommand,
} from '@aws-sdk/client-iam'
import { HeadBucketCommand } from '@aws-sdk/client-s3'
import { type Aws, callerIn } from '../../aws/port.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { deployedTemplate } from '../release/change-set.ts'
import { describeStack, type Say } from '../release/follow.ts'
import type { Judged } from '../release/gate.ts'
import { type Settled, settle } from '../release/settle.ts'
import { changeStack, readDeployed } from '../release/stack-change.ts'
import {
  BOOTSTRAP_STACK,
  githubProviderArn,
  LINKED_ROLES,
  type LinkedRole,
  roleArn,
  stateBucket,
} from './names.ts'
import { TAG } from './rights.ts'
import type { Settings } from './settings.ts'
import { unlikeOurs } from './taken-over.ts'
import { bootstrap, pipeline } from './template.ts'

/** What a person is told, and asked. */
export interface Person {
  readonly say: Say
  /** @returns whether it is to be done */
  readonly agrees: () => Promise<boolean>
}

export type Outcome = 'changed' | 'nothing' | 'declined'

/** A minute is what the slowest of its resources takes; an hour, what nobody waits for any more. */
const DEADLINE_MS = 3_600_000
/** IAM tells the other services of a new role within seconds; a key’s policy that names it before that is refused. */
const IAM_MS = 15_000

/**
 * @throws AwsProblem, StackFailure, BlockedChange; running it again goes on from there
 */
export async function bringBootstrap(
  aws: Aws,
  settings: Settings,
  { say, agrees }: Person,
): Promise<Outcome> {
  const caller = await callerIn(aws, settings.account, 'This bootstrap')
  say(`Account ${caller.account}, ${settings.region}, as ${caller.arn}`)
  const isTakenOver = await hasBucket(aws, settings)
  const missing = await missingRoles(aws)
  const deadline = new Date(aws.clock.now().getTime() + DEADLINE_MS)
  // Before anything is concluded from what is there: an earlier run's stack may still be at it.
  const settled = await settle(aws, BOOTSTRAP_STACK, deadline, say)
  const unlike = isTakenOver && !settled.isMade ? await unlikeOurs(aws, settings) : []
  const template = bootstrap(settings, await hasForeignProvider(aws, settings, settled))
  const makeRoles = async () => {
    for (const role of missing) await makeRole(aws, role, say)
    if (missing.length > 0) await aws.clock.sleep(IAM_MS)
  }

  const outcome = await changeStack(aws, {
    target: {
      stackName: BOOTSTRAP_STACK,
      capabilities: ['CAPABILITY_NAMED_IAM'],
      tags: { [TAG.key]: TAG.value },
      takesOver: true,
    },
    template,
    allowed: [],
    // Deletion is what it is protected from; changes are planned and agreed to, and it holds no one’s data.
    protection: { policy: false, termination: true },
    agree: async (changes, isNew) => {
      for (const line of planned(changes, isNew, isTakenOver, settings)) say(line)
      for (const { line } of unlike) say(`    ~ ${line}`)
      for (const { name, service } of missing) say(`  + ${name}: the role that ${service} acts as`)
      if (!(await agrees())) return false
      await makeRoles()
      for (const { mend } of unlike) await mend()
      return true
    },
    say,
    patienceMs: DEADLINE_MS,
  })
  if (outcome !== 'nothing' || missing.length === 0) return outcome
  for (const { name, service } of missing) say(`+ ${name}: the role that ${service} acts as is missing`)
  if (!(await agrees())) return 'declined'
  await makeRoles()
  return 'changed'
}

function planned(
  changes: readonly Judged[],
  isNew: boolean,
  isTakenOver: boolean,
  settings: Settings,
): string[] {
  return [
    `Stack ${BOOTSTRAP_STACK} ${isNew ? 'is made' : 'is changed'}:`,
    ...changes.map(lineOf),
    ...(isNew && isTakenOver
      ? [`  Bucket ${stateBucket(settings)} is there already, and is taken over with what it holds.`]
      : []),
    ...pipelineLine(settings),
    ...(settings.hostedZones === undefined
      ? [
          '  Stages may change A, AAAA and CNAME records in any hosted zone of the account (--hosted-zones narrows it).',
        ]
      : []),
  ]
}

/** An option that was forgotten opens what it narrowed, and of that a plan says only that a policy changes. */
function pipelineLine({ ci, ciEnvironment }: Settings): string[] {
  if (ci === undefined) return []
  const open = ciEnvironment === undefined ? ', without anybody’s approval (--ci-environment narrows it)' : ''
  return [`  Its pipeline is ${pipeline(ci, ciEnvironment).who} of ${ci}${open}.`]
}

const MARKS = { add: '+', remove: '-', update: '~', 'may-replace': '~', replace: '!' } as const
const lineOf = ({ id, type, effect, differing }: Judged): string =>
  `  ${MARKS[effect]} ${id} (${type})${differing.length > 0 ? `: ${differing.join(', ')}` : ''}`

/** @throws AwsProblem when the name is somebody else's: names of buckets are the world's */
async function hasBucket(aws: Aws, settings: Settings): Promise<boolean> {
  const bucket = stateBucket(settings)
  try {
    await aws.s3.send(new HeadBucketCommand({ Bucket: bucket, ExpectedBucketOwner: settings.account }))
    return true
  } catch (error) {
    if (error instanceof Error && (error.name === 'NotFound' || error.name === 'NoSuchBucket')) return false
    if (error instanceof AwsProblem && error.kind === 'access-denied')
      throw new AwsProblem(
        error.kind,
        `${error.message}\nEither s3:ListBucket on ${bucket} is missing, or that bucket belongs to another account: ` +
          'then nobody but its owner can give the name back, and this account needs another region.',
        error,
      )
    throw error
  }
}

async function missingRoles(aws: Aws): Promise<LinkedRole[]> {
  const missing: LinkedRole[] = []
  for (const role of LINKED_ROLES) {
    try {
      await aws.iam.send(new GetRoleCommand({ RoleName: role.name }))
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'NoSuchEntityException') throw error
      missing.push(role)
    }
  }
  return missing
}

/** Through IAM and not in the stack: CloudFormation fails where somebody has made one before. */
async function makeRole(aws: Aws, { service, name }: LinkedRole, say: Say): Promise<void> {
  try {
    await aws.iam.send(new CreateServiceLinkedRoleCommand({ AWSServiceName: service }))
    say(`${name} is made.`)
  } catch (error) {
    // Made meanwhile, or by a call whose answer was lost.
    const isThere =
      error instanceof Error && error.name === 'InvalidInputException' && /has been taken/.test(error.message)
    if (!isThere) throw error
  }
}

/** Whether the account has a provider for GitHub's tokens that is not this stack's own. */
async function hasForeignProvider(aws: Aws, settings: Settings, { isMade }: Settled): Promise<boolean> {
  if (settings.ci === undefined) return false
  try {
    await aws.iam.send(
      new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: githubProviderArn(settings) }),
    )
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchEntityException') return false
    throw error
  }
  return !isMade || readDeployed(await deployedTemplate(aws, BOOTSTRAP_STACK)).Resources.GitHub === undefined
}

/** What it made, by what each is for, and what comes next. */
export async function report(aws: Aws, settings: Settings): Promise<string[]> {
  const stack = await describeStack(aws, BOOTSTRAP_STACK)
  return [
    ...(stack?.Outputs ?? []).map(
      ({ OutputKey: key = '', OutputValue: value = '', Description: what = '' }) =>
        `  ${key.padEnd(21)} ${value}  (${what})`,
    ),
    '',
    'Next: put the account and the region into infra/stages.ts, and let those who release become',
    `  ${roleArn('deploy', settings)}`,
    '  (the right to sts:AssumeRole on it is whoever’s who manages rights to give).',
  ]
}
