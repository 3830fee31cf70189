// Every error of the model endpoint: its code, its HTTP status, the OpenAI type that clients know it by, and a sentence.
// Sentences are the endpoint's own: what a provider says is never passed on.

interface EndpointErrorKind {
  readonly status: number
  readonly type: string
  readonly message: string
}

const request = 'invalid_request_error'
const authentication = 'authentication_error'
const permission = 'permission_error'
const missing = 'not_found_error'
const rate = 'rate_limit_error'
const server = 'server_error'

export const ENDPOINT_ERRORS = {
  // the request
  INVALID_JSON: { status: 400, type: request, message: 'The body is not valid JSON.' },
  INVALID_REQUEST: { status: 400, type: request, message: 'The request is not valid: {reason}' },
  UNSUPPORTED_PARAMETER: { status: 400, type: request, message: 'This endpoint does not support {param}.' },
  BODY_TOO_LARGE: { status: 413, type: request, message: 'The body is too large: at most {limit} bytes.' },
  BODY_STALLED: { status: 408, type: request, message: 'The body did not arrive in time.' },
  PROMPT_TOO_LARGE: { status: 413, type: request, message: 'The prompt is too long for this model.' },
  UNKNOWN_MODEL: { status: 404, type: missing, message: 'There is no model of this name here.' },
  UNKNOWN_PATH: { status: 404, type: missing, message: 'There is nothing at this address.' },
  METHOD_NOT_ALLOWED: { status: 405, type: request, message: 'This address takes {allowed} only.' },
  FOREIGN_ORIGIN: {
    status: 403,
    type: permission,
    message: 'Pages of this origin may not use this endpoint.',
  },
  // tokens
  TOKEN_MISSING: { status: 401, type: authentication, message: 'A bearer token is needed.' },
  TOKEN_INVALID: { status: 401, type: authentication, message: 'The token is not valid here.' },
  TOKEN_EXPIRED: { status: 401, type: authentication, message: 'The token has expired.' },
  TOKEN_EARLY: {
    status: 401,
    type: authentication,
    message: 'The token was signed in the future: compare the clocks.',
  },
  TOKEN_FOREIGN_AUDIENCE: {
    status: 401,
    type: authentication,
    message: 'The token was made for another endpoint.',
  },
  TOKEN_REPLAYED: { status: 401, type: authentication, message: 'The token was used before.' },
  TOKEN_REVOKED: { status: 401, type: authentication, message: 'The token was taken back.' },
  TOKEN_KIND: { status: 403, type: permission, message: 'A token of this kind is of no use here.' },
  TOKEN_OTHER_MODEL: { status: 403, type: permission, message: 'The token was made for another model.' },
  TOKEN_OTHER_PROMPT: { status: 403, type: permission, message: 'The token was made for another prompt.' },
  RATE_LIMITED: {
    status: 429,
    type: rate,
    message: 'Too many requests in one minute. Try again in {seconds} s.',
  },
  /** Others may be answered meanwhile. */
  OWN_RATE_LIMITED: {
    status: 429,
    type: rate,
    message: 'You have asked too often within one minute. Try again in {seconds} s.',
  },
  // the model
  MODEL_RETIRED: { status: 410, type: missing, message: 'The model is no longer offered by its provider.' },
  MODEL_BUSY: { status: 429, type: rate, message: 'The model is busy. Try again in a moment.' },
  MODEL_ALLOWANCE_USED: {
    status: 429,
    type: 'insufficient_quota',
    message: "The provider's allowance for today is used up.",
  },
  MODEL_NEEDS_PLAN: { status: 503, type: server, message: 'The model needs a paid plan with its provider.' },
  MODEL_STALLED: { status: 504, type: server, message: 'The model stopped answering.' },
  MODEL_INTERRUPTED: { status: 502, type: server, message: 'The model broke off its answer.' },
  MODEL_BROKEN: { status: 502, type: server, message: 'The model sent something that is not an answer.' },
  MODEL_FAILED: { status: 502, type: server, message: 'The model failed.' },
  // the endpoint
  MISCONFIGURED: { status: 503, type: server, message: 'The endpoint is not set up: {names}.' },
  INTERNAL: { status: 500, type: server, message: 'Something went wrong in the endpoint.' },
} as const satisfies Record<string, EndpointErrorKind>

export type EndpointErrorCode = keyof typeof ENDPOINT_ERRORS
export type EndpointErrorDetail = Readonly<Record<string, string | number>>

/** OpenAI's error shape, as a body and as an event of a stream. */
export interface EndpointErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly code: EndpointErrorCode
    readonly param: string | null
  }
}

export function endpointErrorBody(
  code: EndpointErrorCode,
  detail: EndpointErrorDetail = {},
): EndpointErrorBody {
  const { message, type } = ENDPOINT_ERRORS[code]
  const filled = message.replace(/\{(\w+)\}/g, (_, name: string) => String(detail[name] ?? ''))
  const { param = null } = detail
  return { error: { message: filled, type, code, param: param === null ? null : String(param) } }
}
