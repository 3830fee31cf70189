// What a server does itself when it boots and when it goes: it reads secrets, and ends the waits of its hooks.
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'

/** Has to be there before, with one server and these hooks; its server is kept as `server`. */
export const HOOKED_GROUP = 'terrace-calls-hooked'
export const HOOKS = { launch: 'launch', terminate: 'terminate' } as const
export const SECRETS = { text: 'a secret text', bytes: Uint8Array.of(1, 2, 3) } as const
const NO_SERVER = 'i-00000000000000abc'

/** @param name under which its ARN is kept, or an ARN */
const secret = (name: string) => async (aws: Aws, kept: Kept) => {
  const { ARN, SecretString, SecretBinary, VersionStages, VersionId } = await aws.secretsmanager.send(
    new GetSecretValueCommand({ SecretId: kept.get(name) ?? name }),
  )
  return {
    isThat: ARN === kept.get(name),
    text: SecretString,
    bytes: SecretBinary && [...SecretBinary],
    VersionStages,
    hasVersion: Boolean(VersionId),
  }
}

const server = (id: (kept: Kept) => string) => async (aws: Aws, kept: Kept) => {
  const { AutoScalingInstances = [] } = await aws.autoscaling.send(
    new DescribeAutoScalingInstancesCommand({ InstanceIds: [id(kept)] }),
  )
  return AutoScalingInstances.map((one) => [one.AutoScalingGroupName, one.LifecycleState])
}
const kept = (all: Kept) => all.get('server') ?? NO_SERVER
const nobody = () => NO_SERVER

interface Of {
  readonly group?: string
  readonly hook?: string
}
const heartbeat =
  (id: (all: Kept) => string, { group = HOOKED_GROUP, hook = HOOKS.launch }: Of = {}) =>
  (aws: Aws, all: Kept) =>
    aws.autoscaling
      .send(
        new RecordLifecycleActionHeartbeatCommand({
          AutoScalingGroupName: group,
          LifecycleHookName: hook,
          InstanceId: id(all),
        }),
      )
      .then(() => ({}))
const complete =
  (id: (all: Kept) => string, { group = HOOKED_GROUP, hook = HOOKS.launch }: Of = {}) =>
  (aws: Aws, all: Kept) =>
    aws.autoscaling
      .send(
        new CompleteLifecycleActionCommand({
          AutoScalingGroupName: group,
          LifecycleHookName: hook,
          InstanceId: id(all),
          LifecycleActionResult: 'CONTINUE',
        }),
      )
      .then(() => ({}))

export const SERVER_CALLS: readonly Call[] = [
  { what: 'secrets: a text', ask: secret('text secret') },
  { what: 'secrets: bytes', ask: secret('bytes secret') },
  { what: 'secrets: one that is to go', ask: secret('leaving secret') },
  { what: 'secrets: one that is not there', ask: secret('terrace-calls-none') },
  { what: 'servers: one that waits for its hook', ask: server(kept) },
  { what: 'servers: one that is not there', ask: server(nobody) },
  { what: 'servers: heartbeat', ask: heartbeat(kept) },
  { what: 'servers: heartbeat of one that is not there', ask: heartbeat(nobody) },
  { what: 'servers: heartbeat for another hook', ask: heartbeat(kept, { hook: HOOKS.terminate }) },
  { what: 'servers: heartbeat in no group', ask: heartbeat(kept, { group: 'terrace-calls-none' }) },
  { what: 'servers: complete for another hook', ask: complete(kept, { hook: HOOKS.terminate }) },
  { what: 'servers: complete', ask: complete(kept) },
  { what: 'servers: one that is in service', ask: server(kept) },
  { what: 'servers: complete again', ask: complete(kept) },
  { what: 'servers: complete in no group', ask: complete(kept, { group: 'terrace-calls-none' }) },
]
