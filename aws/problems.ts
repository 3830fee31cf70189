// What AWS's errors mean when they are not about what was asked: who asks, from where, and whether anyone answers.
// A program can do nothing about them, a person can: each says what. Everything else stays the SDK's own error.

export const AWS_PROBLEMS = [
  'access-denied',
  'credentials-missing',
  'credentials-expired',
  'credentials-refused',
  'clock-wrong',
  'wrong-account',
  'wrong-region',
  'throttled',
  'unreachable',
] as const
export type AwsProblemKind = (typeof AWS_PROBLEMS)[number]

export class AwsProblem extends Error {
  override readonly name = 'AwsProblem'
  readonly kind: AwsProblemKind

  /** @param cause the SDK's error */
  constructor(kind: AwsProblemKind, message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

/** What was asked, and where. */
export interface Asked {
  readonly service: string
  /** `CreateChangeSet`. */
  readonly operation: string
  readonly region: string
}

const KINDS: Readonly<Record<string, AwsProblemKind>> = {
  AccessDenied: 'access-denied',
  AccessDeniedException: 'access-denied',
  UnauthorizedOperation: 'access-denied',
  UnauthorizedAccess: 'access-denied',
  CredentialsProviderError: 'credentials-missing',
  ExpiredToken: 'credentials-expired',
  ExpiredTokenException: 'credentials-expired',
  RequestExpired: 'credentials-expired',
  TokenRefreshRequired: 'credentials-expired',
  AuthFailure: 'credentials-refused',
  IncompleteSignature: 'credentials-refused',
  InvalidAccessKeyId: 'credentials-refused',
  InvalidClientTokenId: 'credentials-refused',
  InvalidSignatureException: 'credentials-refused',
  OptInRequired: 'wrong-region',
  SignatureDoesNotMatch: 'credentials-refused',
  UnrecognizedClientException: 'credentials-refused',
  RequestTimeTooSkewed: 'clock-wrong',
  AuthorizationHeaderMalformed: 'wrong-region',
  IllegalLocationConstraintException: 'wrong-region',
  PermanentRedirect: 'wrong-region',
  // After the SDK's own tries.
  EC2ThrottledException: 'throttled',
  RequestLimitExceeded: 'throttled',
  RequestThrottled: 'throttled',
  RequestThrottledException: 'throttled',
  SlowDown: 'throttled',
  ThrottledException: 'throttled',
  Throttling: 'throttled',
  ThrottlingException: 'throttled',
  TooManyRequestsException: 'throttled',
  TimeoutError: 'unreachable',
}
const NETWORK = /^(EAI_AGAIN|ECONN\w+|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/

/** Whether the same may be answered in a moment: nobody has to do anything about it. */
export const isPassing = (error: unknown): boolean =>
  error instanceof AwsProblem
    ? error.kind === 'throttled' || error.kind === 'unreachable'
    : error instanceof Error && isFailing(Number(statusOf(error)))
/** AWS's own failure; 501 is what it does not do at all. */
const isFailing = (status: number) => status >= 500 && status !== 501

/** The SDK's error in our words, where it is one of these; itself otherwise. */
export function inOurWords(error: unknown, asked: Asked): unknown {
  if (!(error instanceof Error) || error instanceof AwsProblem) return error
  const kind = kindOf(error)
  if (kind === undefined) return error
  return new AwsProblem(kind, `${sentence(kind, error, asked)} (${said(error)})`, error)
}

/** What AWS refused in its own words, for a person; undefined when the error is not of AWS. */
export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || statusOf(error) === undefined) return undefined
  return `AWS refused: ${said(error)}`
}

function kindOf(error: Error): AwsProblemKind | undefined {
  const known = Object.hasOwn(KINDS, error.name) ? KINDS[error.name] : undefined
  if (known === 'credentials-missing' && /expired|refresh this SSO session/i.test(error.message))
    return 'credentials-expired'
  if (known !== undefined) return known
  const code: unknown = Reflect.get(error, 'code')
  if (typeof code === 'string' && NETWORK.test(code)) return 'unreachable'
  // A HEAD has no body that could say more.
  const status = statusOf(error)
  if (status === 403) return 'access-denied'
  return status === 301 ? 'wrong-region' : undefined
}

/** HTTP status of an answer; undefined where none came. */
export function statusOf(error: Error): unknown {
  const metadata: unknown = Reflect.get(error, '$metadata')
  return typeof metadata === 'object' && metadata !== null
    ? Reflect.get(metadata, 'httpStatusCode')
    : undefined
}

function sentence(kind: AwsProblemKind, error: Error, { service, operation, region }: Asked): string {
  const call = `${service} ${operation} in ${region}`
  switch (kind) {
    case 'access-denied': {
      const [, who] = /(?:User: )?(arn:[^\s]+) is not authorized/.exec(error.message) ?? []
      const [, action] = /perform:? "?([a-z0-9-]+:\w+)/i.exec(error.message) ?? []
      const [, resource] = /on resource:? "?(arn:[^\s",]+)/.exec(error.message) ?? []
      return (
        `${who ?? 'The role of these credentials'} may not ${action ?? `do what ${call} needs`}` +
        `${resource === undefined ? '' : ` on ${resource}`}. ` +
        'Somebody who manages rights has to allow it, or another profile has it.'
      )
    }
    case 'credentials-missing':
      return `There are no credentials for AWS: set AWS_PROFILE, or sign in (aws sso login), and try again.`
    case 'credentials-expired':
      return `The credentials for AWS have expired before ${call}: sign in again, and run the same command once more.`
    case 'credentials-refused':
      return `AWS does not know these credentials at ${call}: they were deleted or mistyped, or the region is not enabled for the account.`
    case 'clock-wrong':
      return `This machine’s clock is more than five minutes off, and AWS refused ${call}: set it right.`
    case 'wrong-region':
      return `What ${call} asked for is not in ${region}, or that region is not enabled for the account.`
    case 'throttled':
      return `AWS has slowed ${call} down, and went on after every try: wait some minutes, and run the same command once more.`
    case 'unreachable':
      return `There was no answer from AWS to ${call}. It may have been done nevertheless: run the same command once more.`
    case 'wrong-account':
      return `${call} belongs to another account.`
  }
}

function said({ name, message }: Error): string {
  const text = message.replaceAll(/\s+/g, ' ').trim()
  return text === '' ? name : `${name}: ${text.slice(0, 600)}`
}

/** A client whose errors are in our words where they are about who asks, and not about what. */
export function speaking<C extends { send: (...args: never[]) => unknown }>(
  service: string,
  region: string,
  client: C,
): Pick<C, 'send'> {
  const send = async (...args: Parameters<C['send']>): Promise<unknown> => {
    try {
      return await client.send(...args)
    } catch (error) {
      throw inOurWords(error, { service, operation: operationOf(args[0]), region })
    }
  }
  // The SDK's `send` is overloaded: no function of ours has that type.
  return { send } as unknown as Pick<C, 'send'>
}

/** `CreateChangeSetCommand` → `CreateChangeSet`. */
export function operationOf(command: unknown): string {
  const name = typeof command === 'object' && command !== null ? command.constructor.name : ''
  return name.replace(/Command$/, '')
}
