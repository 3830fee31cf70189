// What every service of the stand-in is made of: operations by their names, errors like the SDK's, faults, a record of calls.
import type { Aws, Service } from '../port.ts'
import { operationOf, speaking } from '../problems.ts'

/** An operation takes the SDK's input and gives the SDK's output; it has its effect before it returns. */
export type Operations = Readonly<Record<string, (input: never) => object>>

/** An error like those that the SDK makes of an answer. */
export function awsError(name: string, message: string, status = 400): Error {
  const error = new Error(message)
  return Object.assign(error, { name, $metadata: { httpStatusCode: status, attempts: 1 }, $fault: 'client' })
}

/** Errors that any call may meet. */
export const FAULTS = {
  throttled: () => awsError('Throttling', 'Rate exceeded'),
  expired: () => awsError('ExpiredToken', 'The security token included in the request is expired', 403),
  denied: (action: string) =>
    awsError(
      'AccessDenied',
      `User: arn:aws:sts::111122223333:assumed-role/Deployer/jo is not authorized to perform: ${action} on resource: * ` +
        'because no identity-based policy allows the action',
      403,
    ),
  noAnswer: () => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }),
} as const

export interface Fault {
  /** `CreateChangeSet`, or `*` for any. */
  readonly operation: string
  /** Which call of it from now on, the first being 1. */
  readonly call?: number
  /** How many in a row, from that one on. */
  readonly times?: number
  readonly error: Error
  /** `lost`: the call has its effect, and only its answer is not heard. */
  readonly answer?: 'refused' | 'lost'
}

export class Faults {
  readonly #armed: { readonly fault: Fault; seen: number }[] = []

  add(fault: Fault): void {
    this.#armed.push({ fault, seen: 0 })
  }

  clear(): void {
    this.#armed.length = 0
  }

  /** Counts the call, and tells what is to happen to it. */
  meets(operation: string): Fault | undefined {
    let found: Fault | undefined
    for (const armed of this.#armed) {
      const { operation: of, call = 1, times = 1 } = armed.fault
      if (of !== '*' && of !== operation) continue
      armed.seen++
      if (armed.seen >= call && armed.seen < call + times) found ??= armed.fault
    }
    return found
  }
}

export interface Call {
  readonly service: string
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
}

type Client = { send: (...args: never[]) => unknown }
interface Command {
  readonly input: Readonly<Record<string, unknown>>
}

/**
 * A client of one service. An operation that is not there is an error: it never succeeds in silence.
 * @param calls gets every call, also those that fail
 */
export function client<S extends Service>(
  service: S,
  region: string,
  operations: Operations,
  faults: Faults,
  calls: Call[],
): Aws[S] {
  const send = async (command: Command, options?: { abortSignal?: AbortSignal }): Promise<object> => {
    options?.abortSignal?.throwIfAborted()
    const operation = operationOf(command)
    calls.push({ service, operation, input: command.input })
    const handle = Object.hasOwn(operations, operation) ? operations[operation] : undefined
    if (handle === undefined) throw new Error(`The stand-in for AWS has no ${service} ${operation}`)
    const fault = faults.meets(operation)
    if (fault !== undefined && fault.answer !== 'lost') throw fault.error
    let output: object
    try {
      output = handle(command.input as never)
    } catch (error) {
      throw fault?.error ?? error
    }
    if (fault !== undefined) throw fault.error
    return { $metadata: { httpStatusCode: 200 }, ...output }
  }
  return speaking(service, region, { send } as unknown as Client) as Aws[S]
}
