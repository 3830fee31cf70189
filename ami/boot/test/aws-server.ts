// The stand-in for AWS over HTTP, for programs that are processes of their own: the SDK finds it by AWS_ENDPOINT_URL.
// Only the calls that the image's programs make; any other one is refused.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { GetParametersByPathCommand } from '@aws-sdk/client-ssm'
import type { Aws } from '../../../aws/port.ts'
import { AwsProblem } from '../../../aws/problems.ts'

export interface AwsServer extends AsyncDisposable {
  readonly endpoint: string
  /** Access keys that requests were signed with. */
  readonly signedBy: ReadonlySet<string>
}

export async function serveAws(aws: Aws): Promise<AwsServer> {
  const signedBy = new Set<string>()
  const server = http.createServer((request, response) => {
    const [, key] = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '') ?? []
    if (key !== undefined) signedBy.add(key)
    answer(aws, request).then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      (error: Error) => response.writeHead(500).end(error.message),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    signedBy,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function answer(aws: Aws, request: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const target = request.headers['x-amz-target']
  return typeof target === 'string'
    ? await json(aws, target, text)
    : await query(aws, new URLSearchParams(text))
}

async function json(aws: Aws, target: string, text: string): Promise<Answer> {
  const type = 'application/x-amz-json-1.1'
  const input = JSON.parse(text)
  try {
    const output =
      target === 'AmazonSSM.GetParametersByPath'
        ? await aws.ssm.send(new GetParametersByPathCommand(input))
        : target === 'secretsmanager.GetSecretValue'
          ? await aws.secretsmanager.send(new GetSecretValueCommand(input))
          : refuse(target)
    return { status: 200, type, body: JSON.stringify(output) }
  } catch (thrown) {
    const { name, message } = original(thrown)
    return { status: 400, type, body: JSON.stringify({ __type: name, message }) }
  }
}

async function query(aws: Aws, form: URLSearchParams): Promise<Answer> {
  const action = form.get('Action') ?? ''
  const at = (name: string) => form.get(name) ?? ''
  const where = {
    AutoScalingGroupName: at('AutoScalingGroupName'),
    LifecycleHookName: at('LifecycleHookName'),
    InstanceId: at('InstanceId'),
  }
  const type = 'text/xml'
  try {
    let result = ''
    if (action === 'DescribeAutoScalingInstances') {
      const { AutoScalingInstances: found = [] } = await aws.autoscaling.send(
        new DescribeAutoScalingInstancesCommand({ InstanceIds: [at('InstanceIds.member.1')] }),
      )
      const members = found.map((one) => `<member>${elements(one)}</member>`)
      result = `<AutoScalingInstances>${members.join('')}</AutoScalingInstances>`
    } else if (action === 'CompleteLifecycleAction')
      await aws.autoscaling.send(
        new CompleteLifecycleActionCommand({ ...where, LifecycleActionResult: at('LifecycleActionResult') }),
      )
    else if (action === 'RecordLifecycleActionHeartbeat')
      await aws.autoscaling.send(new RecordLifecycleActionHeartbeatCommand(where))
    else refuse(action)
    const body = `<${action}Response><${action}Result>${result}</${action}Result></${action}Response>`
    return { status: 200, type, body }
  } catch (thrown) {
    const { name, message } = original(thrown)
    const error = elements({ Type: 'Sender', Code: name, Message: message })
    return { status: 400, type, body: `<ErrorResponse><Error>${error}</Error></ErrorResponse>` }
  }
}

const elements = (values: object): string =>
  Object.entries(values)
    .map(
      ([name, value]) =>
        `<${name}>${String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`,
    )
    .join('')

/** The stand-in speaks in the port's words; on the wire AWS's own are needed. */
function original(thrown: unknown): Error {
  const error = thrown instanceof AwsProblem ? thrown.cause : thrown
  if (error instanceof Error) return error
  throw thrown
}

function refuse(operation: string): never {
  throw Object.assign(new Error(`this server has no ${operation}`), { name: 'UnknownOperationException' })
}
