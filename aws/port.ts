// The port through which everything reaches AWS: the SDK's own clients, of which only `send` is used, and a clock.
// aws/connect.ts makes the real one, aws/stand-in/ one for tests that has states, a virtual clock and faults. Both throw
// the SDK's errors, except for those that have nothing to do with what was asked: these are an AwsProblem (problems.ts).
import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling'
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import type { EBSClient } from '@aws-sdk/client-ebs'
import type { EC2Client } from '@aws-sdk/client-ec2'
import type { IAMClient } from '@aws-sdk/client-iam'
import type { RDSClient } from '@aws-sdk/client-rds'
import type { S3Client } from '@aws-sdk/client-s3'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { SSMClient } from '@aws-sdk/client-ssm'
import { GetCallerIdentityCommand, type STSClient } from '@aws-sdk/client-sts'
import { AwsProblem } from './problems.ts'

export interface Clock {
  now(): Date
  /** @throws the signal's reason when that comes first */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** One account and region, as one person or role. */
export interface Aws {
  readonly region: string
  readonly clock: Clock
  readonly autoscaling: Pick<AutoScalingClient, 'send'>
  readonly cloudformation: Pick<CloudFormationClient, 'send'>
  readonly ebs: Pick<EBSClient, 'send'>
  readonly ec2: Pick<EC2Client, 'send'>
  readonly iam: Pick<IAMClient, 'send'>
  readonly rds: Pick<RDSClient, 'send'>
  readonly s3: Pick<S3Client, 'send'>
  readonly secretsmanager: Pick<SecretsManagerClient, 'send'>
  readonly ssm: Pick<SSMClient, 'send'>
  readonly sts: Pick<STSClient, 'send'>
}
export const SERVICES = [
  'autoscaling',
  'cloudformation',
  'ebs',
  'ec2',
  'iam',
  'rds',
  's3',
  'secretsmanager',
  'ssm',
  'sts',
] as const satisfies readonly (keyof Aws)[]
export type Service = (typeof SERVICES)[number]

export interface Caller {
  /** 12 digits. */
  readonly account: string
  readonly arn: string
}

/** Who one is to AWS: needs no right at all, so it is what a command asks first. */
export async function whoAmI(aws: Aws): Promise<Caller> {
  const { Account, Arn } = await aws.sts.send(new GetCallerIdentityCommand({}))
  if (Account === undefined || Arn === undefined) throw new Error('AWS does not say who is asking')
  return { account: Account, arn: Arn }
}

/**
 * Who one is, when that belongs to the account that is meant. Nothing else has been asked then.
 * @throws AwsProblem `wrong-account`
 */
export async function callerIn(aws: Aws, account: string, what: string): Promise<Caller> {
  const caller = await whoAmI(aws)
  if (caller.account === account) return caller
  throw new AwsProblem(
    'wrong-account',
    `${what} belongs to account ${account}, and these credentials to ${caller.account} (${caller.arn}). ` +
      'Nothing was changed. Choose others with AWS_PROFILE or --profile.',
  )
}
