// The one error that inner rooms throw on purpose. What it says may be shown to a person;
// `cause` and `internal` go to the log only.
// Outer rooms (http, routers) turn it into a status and JSON; anything else becomes INTERNAL.
import { ERRORS, type ErrorCode, type ErrorDetail, errorMessage } from '../../contract/errors.ts'

export class AppError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail
  /** For the log: which id, what was left behind, what to do next. */
  readonly internal: string | undefined

  constructor(
    code: ErrorCode,
    detail: ErrorDetail = {},
    options: { internal?: string; cause?: unknown } = {},
  ) {
    super(errorMessage(code, detail), 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'AppError'
    this.code = code
    this.detail = detail
    this.internal = options.internal
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  /** What leaves the server. */
  toJSON(): { code: ErrorCode; message: string; detail: ErrorDetail } {
    return { code: this.code, message: this.message, detail: this.detail }
  }
}
