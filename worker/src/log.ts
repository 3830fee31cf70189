// What the operator finds in the Worker's log: codes and numbers, never a prompt, an answer or a provider's words.
import type { EndpointError } from './errors.ts'

export function logFailure(requestId: string, { code, internal }: EndpointError, model?: string): void {
  console.warn(
    JSON.stringify({ requestId, code, ...(model === undefined ? {} : { model }), cause: internal }),
  )
}
