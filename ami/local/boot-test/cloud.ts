// A server's AWS in a boot test: the stand-in over HTTP, the group that launches it, and its metadata as a file, which the
// stub of ami/boot reads whenever it is asked.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PutParameterCommand } from '@aws-sdk/client-ssm'
import { type StandIn, standIn } from '../../../aws/stand-in/stand-in.ts'
import { type LaunchData, LIFECYCLE_HOOKS } from '../../../contract/launch.ts'
import { serveAws } from '../../boot/test/aws-server.ts'
import type { Tier } from '../../recipe/debian.ts'
import { forward } from './forward.ts'

const ARN = 'arn:aws:secretsmanager:eu-west-1:222233334444:secret'
/** Of the role that the stub's metadata name (ami/boot/imds-stub.ts). */
export const MACHINE_KEY = 'ASIAEXAMPLEEXAMPLE00'

export interface ServerSettings {
  /** What the stack would say: the parameter `environment`. */
  readonly document: Readonly<Record<string, string>>
  /** What an operator would: a parameter each. */
  readonly operators?: Readonly<Record<string, string>>
  /** Variable → text; undefined: nobody has made it. */
  readonly secrets?: Readonly<Record<string, string | undefined>>
  /** What the launch template says of the tier; default: the truth. */
  readonly wanted?: Tier
}

export interface Server {
  readonly id: string
  readonly group: string
  /** For `node ami/boot/imds-stub.ts`. */
  readonly metadata: string
  /** Where its group has it; undefined: gone. */
  state(): string | undefined
  /** The group wants one less; the balancer's part of it is over. */
  takeOut(): Promise<void>
}

export interface Cloud extends AsyncDisposable {
  readonly standIn: StandIn
  /** Who has signed what was asked of it. */
  readonly signedBy: ReadonlySet<string>
  /** @param host this machine, as the server reaches it */
  launch(tier: Tier, host: string, settings: ServerSettings): Promise<Server>
  /** ARN of a server's secret. */
  secretOf(server: Server, variable: string): string
}

export async function startCloud(): Promise<Cloud> {
  await using stack = new AsyncDisposableStack()
  const aws = standIn()
  const http = stack.use(await serveAws(aws.aws))
  const reached = stack.use(await forward('0.0.0.0'))
  reached.to('127.0.0.1', Number(new URL(http.endpoint).port))
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-cloud-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  let launched = 0
  const all = stack.move()
  return {
    standIn: aws,
    signedBy: http.signedBy,
    secretOf: ({ group }, variable) => `${ARN}:${group}-${variable}`,
    async launch(tier, host, settings) {
      launched += 1
      const group = `terrace-test-${launched}`
      const endpoint = `http://${host}:${reached.port}`
      const data = launchData(settings.wanted ?? tier, group, endpoint, settings.secrets ?? {})
      const parameters = { environment: JSON.stringify(settings.document), ...settings.operators }
      for (const [name, Value] of Object.entries(parameters))
        await aws.aws.ssm.send(
          new PutParameterCommand({ Name: `${data.parameters}/${name}`, Value, Type: 'SecureString' }),
        )
      for (const [name, value] of Object.entries(settings.secrets ?? {}))
        if (value !== undefined) aws.secrets.put(`${ARN}:${group}-${name}`, value)
      return launchInto(aws, group, path.join(folder, `${group}.json`), data)
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function launchData(
  tier: Tier,
  group: string,
  endpoint: string,
  secrets: Readonly<Record<string, unknown>>,
): LaunchData {
  const arns = Object.keys(secrets).map((name) => [name, `${ARN}:${group}-${name}`])
  return {
    ...{ stage: 'test', tier, region: 'eu-west-1', parameters: `/terrace/${group}/${tier}` },
    ...{ secrets: Object.fromEntries(arns), logGroup: `${group}-logs`, hooks: LIFECYCLE_HOOKS },
    ...{ environment: { AWS_ENDPOINT_URL: endpoint }, inServiceAfter: 2, fingerprint: '0123456789abcdef' },
  }
}

function launchInto(aws: StandIn, group: string, metadata: string, data: LaunchData): Server {
  aws.groups.make(group, 1, 2, {
    launch: { name: LIFECYCLE_HOOKS.launch, seconds: 600, result: 'ABANDON' },
    terminate: { name: LIFECYCLE_HOOKS.terminate, seconds: 120, result: 'CONTINUE' },
  })
  const instances = aws.groups.groups.get(group)?.instances
  const [id = ''] = instances?.keys() ?? []
  const write = () => {
    const targetState = aws.groups.targetState(id)
    const text = JSON.stringify({ id, userData: JSON.stringify(data), targetState, key: group })
    // Whole, or not at all: it may be asked at any moment.
    writeFileSync(`${metadata}.new`, text)
    renameSync(`${metadata}.new`, metadata)
  }
  write()
  return {
    ...{ id, group, metadata },
    state: () => instances?.get(id),
    async takeOut() {
      aws.groups.resize(group, { min: 0, desired: 0 })
      write()
      await aws.clock.sleep(60_000)
    },
  }
}
