// Whether an endpoint for vectors is well, told by a short plain text. By that a failure is known to be a text's, which
// then fails alone and for good, or the endpoint's, which is waited for: no text keeps the others from their vectors,
// and a sick endpoint sets nobody's files aside.
import { AppError } from '../errors.ts'

/** What fails with this fails with everything. */
export const PROBE = 'The gate closes by itself.'

/** After a probe that failed: whatever else fails so soon fails of the same, and asking about each would help nobody. */
const UNWELL_MS = 5_000

export class EndpointHealth {
  readonly #probe: () => Promise<unknown>
  #unwell: { readonly until: number; readonly error: AppError } | undefined
  #asking: Promise<AppError | null> | undefined

  /** @param probe has PROBE embedded @throws AppError */
  constructor(probe: () => Promise<unknown>) {
    this.#probe = probe
  }

  /** Null when it is well, now; otherwise what is wrong with it, which is never EMBEDDER_REFUSED_TEXT. */
  async problem(): Promise<AppError | null> {
    if (this.#unwell !== undefined && performance.now() < this.#unwell.until) return this.#unwell.error
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return await this.#asking
  }

  async #ask(): Promise<AppError | null> {
    try {
      await this.#probe()
      this.#unwell = undefined
      return null
    } catch (thrown) {
      const error = ofTheEndpoint(thrown)
      this.#unwell = { until: performance.now() + UNWELL_MS, error }
      return error
    }
  }
}

function ofTheEndpoint(thrown: unknown): AppError {
  if (!(thrown instanceof AppError)) return new AppError('EMBEDDER_UNAVAILABLE', {}, { cause: thrown })
  if (thrown.code !== 'EMBEDDER_REFUSED_TEXT') return thrown
  return new AppError('EMBEDDER_UNAVAILABLE', thrown.detail, {
    internal: `${thrown.internal ?? ''}, whatever it is sent`,
  })
}

/** Whether a failed request may be the fault of what was in it: not when it ran out of time, or never got there. */
export function mayBeTheTexts(error: unknown): error is AppError {
  if (!(error instanceof AppError)) return false
  const { code, detail } = error
  if (code === 'EMBEDDER_UNAVAILABLE') return detail.status === 500
  return code === 'EMBEDDER_REFUSED_TEXT' || code === 'EMBEDDER_BROKEN'
}

/** The same of one question, which is not tried again: here anything may be that tells nothing for certain. */
export function mayBeTheQuestion({ code, detail }: AppError): boolean {
  if (code === 'EMBEDDER_UNAVAILABLE') return detail.status !== undefined
  return code === 'EMBEDDER_STALLED' || code === 'EMBEDDER_BROKEN'
}

/** What one text failed with while its endpoint was well. */
export function refusedText(error: AppError): AppError {
  if (error.code === 'EMBEDDER_REFUSED_TEXT') return error
  // A reply that can't be used comes with status 200.
  const status = error.detail.status ?? 200
  return new AppError(
    'EMBEDDER_REFUSED_TEXT',
    { status },
    { ...(error.internal === undefined ? {} : { internal: error.internal }), cause: error },
  )
}
