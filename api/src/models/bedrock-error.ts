// What a failed call of Amazon Bedrock means to the person who asked. AWS names its errors; the status says less
// (429 for a throttle and for a model that is still loading, 400 for a quota and for an unknown model).
// https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
import { APICallError } from '@ai-sdk/provider'
import type { ErrorCode } from '../../../contract/errors.ts'
import type { AppError } from '../errors.ts'
import { BedrockException, BrokenFrame } from './bedrock-frames.ts'
import { asModelError, byStatus, fail, tryAgain } from './model-error.ts'

/** Names in lower case and without `Exception`: in a stream they begin with a small letter. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  accessdenied: 'MODEL_REFUSED_KEY',
  expiredtoken: 'MODEL_REFUSED_KEY',
  incompletesignature: 'MODEL_REFUSED_KEY',
  invalidclienttokenid: 'MODEL_REFUSED_KEY',
  invalidsignature: 'MODEL_REFUSED_KEY',
  missingauthenticationtoken: 'MODEL_REFUSED_KEY',
  notauthorized: 'MODEL_REFUSED_KEY',
  optinrequired: 'MODEL_REFUSED_KEY',
  requestexpired: 'MODEL_REFUSED_KEY',
  unrecognizedclient: 'MODEL_REFUSED_KEY',
  ftuformnotfilled: 'MODEL_REFUSED_KEY',
  resourcenotfound: 'MODEL_RETIRED',
  modelnotready: 'MODEL_BUSY',
  servicequotaexceeded: 'MODEL_BUSY',
  serviceunavailable: 'MODEL_BUSY',
  throttling: 'MODEL_BUSY',
  toomanyrequests: 'MODEL_BUSY',
  modeltimeout: 'MODEL_STALLED',
  internalfailure: 'MODEL_UNAVAILABLE',
  internalserver: 'MODEL_UNAVAILABLE',
  modelerror: 'MODEL_UNAVAILABLE',
  modelstreamerror: 'MODEL_STALLED',
}

/** What the message of `ValidationException` or `ResourceNotFoundException` adds. Its own words go no further than here. */
const MESSAGES: readonly { readonly says: RegExp; readonly code: ErrorCode; readonly what: string }[] = [
  {
    says: /use case details/i,
    code: 'MODEL_REFUSED_KEY',
    what: 'the account has not filled in the use case form of this model',
  },
  {
    says: /model identifier is invalid|invalid model identifier|end of its life/i,
    code: 'MODEL_RETIRED',
    what: 'there is no model of this name in the region (any more)',
  },
  {
    says: /on-demand throughput/i,
    code: 'MODEL_RETIRED',
    what: 'it is asked by an inference profile only: `model` has to name that',
  },
]

/** @param id the model's, for the log */
export function asBedrockError(error: unknown, id: string): AppError {
  if (error instanceof BrokenFrame) return fail(id, 'MODEL_BROKEN', `${error.message} is wrong`)
  if (error instanceof BedrockException) {
    const known = byName(id, error.type, error.payload.toString(), undefined)
    return known ?? fail(id, 'MODEL_UNAVAILABLE', 'an exception of another name')
  }
  if (!APICallError.isInstance(error) || error.statusCode === undefined || error.statusCode < 300)
    return asModelError(error, id)
  const retryAfter = error.responseHeaders?.['retry-after']
  return (
    byName(id, errorName(error), error.responseBody ?? '', retryAfter) ??
    byStatus(id, error.statusCode, '', retryAfter)
  )
}

/** Whether a reply says that the credentials were good once: newer ones may be had. */
export function isExpired(error: unknown): boolean {
  return APICallError.isInstance(error) && plain(errorName(error)) === 'expiredtoken'
}

function byName(id: string, name: string, body: string, retryAfter: string | undefined): AppError | null {
  const known = plain(name)
  if (known === 'validation' || known === 'resourcenotfound') {
    const said = MESSAGES.find(({ says }) => says.test(messageOf(body)))
    if (said !== undefined) return fail(id, said.code, `${known}, ${said.what}`)
  }
  if (known === 'validation') return fail(id, 'MODEL_REFUSED_REQUEST', known, { status: 400 })
  const code = Object.hasOwn(CODES, known) ? CODES[known] : undefined
  if (code === undefined) return null
  return fail(id, code, known, code === 'MODEL_BUSY' ? tryAgain(retryAfter) : {})
}

function plain(name: string): string {
  return name.toLowerCase().replace(/(?:exception|error)$/, '')
}

/** Of a header `AccessDeniedException:http://…`, or of a body's `com.amazon.coral.service#ExpiredTokenException`. */
function errorName(error: APICallError): string {
  const body = parsed(error.responseBody ?? '')
  const name = error.responseHeaders?.['x-amzn-errortype'] ?? body.__type ?? body.code
  return (typeof name === 'string' ? name : '').replace(/:.*$/, '').replace(/^.*#/, '')
}

function messageOf(body: string): string {
  const { message, Message } = parsed(body)
  return String(message ?? Message ?? '')
}

function parsed(body: string): { __type?: unknown; code?: unknown; message?: unknown; Message?: unknown } {
  try {
    return Object(JSON.parse(body)) as ReturnType<typeof parsed>
  } catch {
    return {}
  }
}
