// What went wrong, in one of the contract's codes, and how it is said: as a reply or inside a stream that has begun.
import {
  ENDPOINT_ERRORS,
  type EndpointErrorBody,
  type EndpointErrorCode,
  type EndpointErrorDetail,
  endpointErrorBody,
} from '../../contract/endpoint-errors.ts'

export class EndpointError extends Error {
  readonly code: EndpointErrorCode
  readonly detail: EndpointErrorDetail
  /** For the log only: a status or a number of the provider's, never its words. */
  readonly internal: string
  constructor(code: EndpointErrorCode, detail: EndpointErrorDetail = {}, internal = '') {
    super(code)
    this.code = code
    this.detail = detail
    this.internal = internal
  }

  get body(): EndpointErrorBody {
    return endpointErrorBody(this.code, this.detail)
  }
}

export function asEndpointError(error: unknown): EndpointError {
  if (error instanceof EndpointError) return error
  return new EndpointError('INTERNAL', {}, error instanceof Error ? error.name : typeof error)
}

/** Seconds after which a model that was busy may be asked again. */
const BUSY_SECONDS = 5

/** `headers` come from the caller: what CORS wants and the request's id, which errors need as much as answers. */
export function errorResponse(error: EndpointError, headers: Headers): Response {
  const { code, detail } = error
  const { status } = ENDPOINT_ERRORS[code]
  const wait = detail.seconds ?? (code === 'MODEL_BUSY' ? BUSY_SECONDS : undefined)
  if (wait !== undefined) headers.set('retry-after', String(wait))
  // OpenAI's clients try 408, 409, 429 and 5xx again by themselves. Only where a wait is named that may help.
  if (wait === undefined) headers.set('x-should-retry', 'false')
  if (code === 'METHOD_NOT_ALLOWED' && detail.allowed !== undefined)
    headers.set('allow', String(detail.allowed))
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  headers.set('cache-control', 'no-store')
  return Response.json(error.body, { status, headers })
}
