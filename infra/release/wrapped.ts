// The port to AWS with something done before each call, and while waiting.
import { type Aws, type Clock, SERVICES } from '../../aws/port.ts'
import { operationOf } from '../../aws/problems.ts'

/**
 * @param before gets `ExecuteChangeSet`; when it throws, nothing is sent
 */
export function wrapped(
  aws: Aws,
  before: (operation: string) => void | Promise<void>,
  sleep: Clock['sleep'],
): Aws {
  const clients = SERVICES.map((service) => {
    const client: { send: (...args: never[]) => unknown } = aws[service]
    const send = async (...args: Parameters<typeof client.send>): Promise<unknown> => {
      await before(operationOf(args[0]))
      return client.send(...args)
    }
    return [service, { send }]
  })
  return { ...aws, ...Object.fromEntries(clients), clock: { now: () => aws.clock.now(), sleep } }
}
