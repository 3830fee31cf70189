// The real AWS. Credentials, and an endpoint that is not AWS's own, come from where the SDK looks for them itself: the
// environment (AWS_PROFILE, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, …), the shared files, the machine's role.
import { setTimeout as sleep } from 'node:timers/promises'
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling'
import { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import { EBSClient } from '@aws-sdk/client-ebs'
import { EC2Client } from '@aws-sdk/client-ec2'
import { IAMClient } from '@aws-sdk/client-iam'
import { RDSClient } from '@aws-sdk/client-rds'
import { S3Client } from '@aws-sdk/client-s3'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SSMClient } from '@aws-sdk/client-ssm'
import { STSClient } from '@aws-sdk/client-sts'
import type { Aws, Clock } from './port.ts'
import { speaking } from './problems.ts'

export interface Connection {
  readonly region: string
  /** Of the shared files, instead of AWS_PROFILE. */
  readonly profile?: string | undefined
}

/** The only layer that tries again: five pauses, each up to twice as long as the one before, the first half a second when AWS slows us down. */
const ATTEMPTS = 6
/** Connections for blocks of a snapshot: nobody puts more of them at a time. */
const BLOCKS_AT_ONCE = 128
const CONNECT_MS = 5_000
/** From the first byte sent to the headers of the answer. */
const ANSWER_MS = 60_000

/** Asks nothing yet: the first call finds out whether there are credentials. What is not AWS's is said on standard error, once. */
export function connect({ region, profile }: Connection): Aws {
  sayEndpoints()
  const settings = {
    region,
    ...(profile !== undefined && { profile }),
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
    },
  }
  // Who puts blocks decides itself which of them is tried again, and when: many are under way at a time.
  const sockets = { maxSockets: BLOCKS_AT_ONCE }
  const forBlocks = {
    ...settings,
    maxAttempts: 1,
    requestHandler: { ...settings.requestHandler, httpsAgent: sockets, httpAgent: sockets },
  }
  return {
    region,
    clock: CLOCK,
    autoscaling: speaking('autoscaling', region, new AutoScalingClient(settings)),
    cloudformation: speaking('cloudformation', region, new CloudFormationClient(settings)),
    ebs: speaking('ebs', region, unsigned(new EBSClient(forBlocks))),
    ec2: speaking('ec2', region, new EC2Client(settings)),
    iam: speaking('iam', region, new IAMClient(settings)),
    rds: speaking('rds', region, new RDSClient(settings)),
    s3: speaking('s3', region, new S3Client({ ...settings, forcePathStyle: isElsewhere('S3') })),
    secretsmanager: speaking('secretsmanager', region, new SecretsManagerClient(settings)),
    ssm: speaking('ssm', region, new SSMClient(settings)),
    sts: speaking('sts', region, new STSClient(settings)),
  }
}

const said = new Set<string>()
/** Left in the environment since some test, one of them would send a lock, say, elsewhere than the stack that it is for. */
function sayEndpoints(): void {
  if (process.env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === 'true') return
  for (const [name, value = ''] of Object.entries(process.env)) {
    if (!/^AWS_ENDPOINT_URL(_|$)/.test(name) || value === '' || said.has(name + value)) continue
    said.add(name + value)
    const place = URL.canParse(value) ? new URL(value).origin : 'no address'
    process.stderr.write(`${name} is set: what it stands for is asked of ${place}, and not of AWS.\n`)
  }
}

/** Whether a service is not AWS's own: of S3 there a bucket is no host name. */
export function isElsewhere(service: 'S3' | 'EC2'): boolean {
  return Boolean(process.env[`AWS_ENDPOINT_URL_${service}`] || process.env.AWS_ENDPOINT_URL)
}

/**
 * Blocks carry a checksum that is signed: the client needs not hash them once more for its signature, which is what the
 * service's model says of this one operation (`v4-unsigned-body`), and the client does not know.
 */
function unsigned(client: EBSClient): EBSClient {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const headers: unknown = Reflect.get(Object(args.request), 'headers')
        if (commandName === 'PutSnapshotBlockCommand' && typeof headers === 'object' && headers !== null)
          Reflect.set(headers, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD')
        return next(args)
      },
    { step: 'build', name: 'unsignedBlocks' },
  )
  return client
}

/**
 * Begins with the machine's time, and never jumps: whoever waits for AWS waits as long as was meant, also while somebody
 * sets the clock. (A server's programs have their own, ami/boot/retry.ts: an image has none of this folder.)
 */
const CLOCK: Clock = {
  now: () => new Date(performance.timeOrigin + performance.now()),
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal && { signal })
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  },
}
