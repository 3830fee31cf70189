// A server in its group, for tests: the stand-in for AWS, the instance's metadata over HTTP, a virtual clock.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PutParameterCommand } from '@aws-sdk/client-ssm'
import type { Aws } from '../../../aws/port.ts'
import { AwsProblem } from '../../../aws/problems.ts'
import type { Hooks } from '../../../aws/stand-in/autoscaling.ts'
import { type StandIn, standIn } from '../../../aws/stand-in/stand-in.ts'
import type { LaunchData } from '../../../contract/launch.ts'
import type { BootAws } from '../aws.ts'
import { createImds, type Imds } from '../imds.ts'
import { type Fault, type Instance, serveImds } from '../imds-stub.ts'
import { createJournal, type Journal } from '../journal.ts'

export const ARN = 'arn:aws:secretsmanager:eu-west-1:222233334444:secret'
export const PATH = '/terrace/prod/api'

export const launchData = (more: Partial<LaunchData> = {}): LaunchData => ({
  stage: 'prod',
  tier: 'api',
  region: 'eu-west-1',
  parameters: PATH,
  secrets: { AUTH_SECRET: `${ARN}:auth-AbCdEf` },
  logGroup: 'terrace-prod-ApiLogs',
  environment: { TERRACE_RELEASE: '2026.48', TERRACE_IMAGE_MADE_AT: '2026-11-28T10:00:00Z' },
  hooks: { launch: 'ready', terminate: 'handed-back' },
  inServiceAfter: 30,
  fingerprint: '0123456789abcdef',
  ...more,
})

/** What the stack says to an API server that signs in with a password. */
export const DOCUMENT = {
  HOST: '0.0.0.0',
  PORT: '4000',
  PUBLIC_URL: 'https://docs.example.com',
  DATABASE_URL: 'postgresql://terrace@db.example.com:5432/terrace',
  STORAGE: 's3://team-documents/files',
  AWS_REGION: 'eu-west-1',
  TERRACE_STAGE: 'prod',
}

export const HOOKS: Hooks = {
  launch: { name: 'ready', seconds: 600, result: 'ABANDON' },
  terminate: { name: 'handed-back', seconds: 120, result: 'CONTINUE' },
}

export interface World extends AsyncDisposable {
  readonly aws: StandIn
  /** As the image's programs get it: with the SDK's own errors. */
  readonly boot: BootAws
  readonly imds: Imds
  readonly endpoint: string
  /** The instance that the metadata are of. */
  readonly instance: { -readonly [K in keyof Instance]: Instance[K] }
  /** What the metadata meet, by what was asked for. */
  readonly faults: { of: (method: string, path: string) => Fault | undefined }
  readonly journal: Journal
  /** What the programs have said. */
  readonly said: string[]
  /** In memory. */
  readonly folder: string
  readonly imageFile: string
  put(name: string, value: string): Promise<void>
  /** Puts the server into a group of one, that waits for it. */
  join(hooks?: Hooks): void
}

export const GROUP = 'terrace-prod-ApiGroup-1ABC'

export async function createWorld(tier: 'api' | 'web' = 'api'): Promise<World> {
  const aws = standIn()
  const faults: World['faults'] = { of: () => undefined }
  const instance: World['instance'] = {
    ...{ id: 'i-0123456789abcdef0', region: 'eu-west-1', zone: 'eu-west-1a', role: 'terrace-prod-ApiRole' },
    ...{ userData: JSON.stringify(launchData({ tier })), targetState: undefined, more: {} },
  }
  const server = await serveImds({
    instance: () => ({
      ...instance,
      targetState: instance.targetState ?? aws.groups.targetState(instance.id),
    }),
    fault: (method, asked) => faults.of(method, asked),
    now: () => aws.clock.now().getTime(),
  })
  const folder = await mkdtemp(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'terrace-test-'))
  const imageFile = path.join(folder, 'image.json')
  await writeFile(imageFile, JSON.stringify({ tier, release: '2026.48', madeAt: '2026-11-28T09:00:00Z' }))
  const said: string[] = []
  return {
    ...{ aws, instance, faults, said, folder, imageFile, endpoint: server.endpoint },
    boot: unspoken(aws.aws),
    imds: createImds({ clock: aws.clock, endpoint: server.endpoint }),
    journal: createJournal('test', (line) => said.push(JSON.parse(line).msg)),
    async put(name, Value) {
      const Name = `${PATH}/${name}`
      await aws.aws.ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Overwrite: true }))
    },
    join(hooks = HOOKS) {
      aws.groups.make(GROUP, 1, 2, hooks)
      instance.id = [...(aws.groups.groups.get(GROUP)?.instances.keys() ?? [])][0] ?? ''
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The stand-in speaks in the port's words; the image's programs have the SDK alone. */
function unspoken(aws: Aws): BootAws {
  const of = <C extends { send: (...args: never[]) => unknown }>(client: C): C =>
    ({
      send: async (...args: Parameters<C['send']>) => {
        try {
          return await client.send(...args)
        } catch (error) {
          throw error instanceof AwsProblem ? error.cause : error
        }
      },
    }) as unknown as C
  return { autoscaling: of(aws.autoscaling), secretsmanager: of(aws.secretsmanager), ssm: of(aws.ssm) }
}
