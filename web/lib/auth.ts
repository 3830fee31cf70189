// Signing in and out. These endpoints are the sign-in library's own, not tRPC's; they set the session cookie.
import { PUBLIC_PATHS } from '../../contract/ports.ts'
import { type Failure, failureFromBody, internalFailure, networkFailure } from './errors.ts'

async function post(path: string, body: Record<string, unknown>): Promise<Failure | null> {
  try {
    const response = await fetch(PUBLIC_PATHS.auth + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    // Read to its end in any case: the page may be left next, and an answer cut short looks like a failure.
    const answer: unknown = await response.json().catch(() => null)
    if (response.ok) return null
    return failureFromBody(answer) ?? internalFailure()
  } catch {
    return networkFailure()
  }
}

/** Each resolves to what went wrong, or null. */
export const signIn = (email: string, password: string) => post('/sign-in/email', { email, password })
export const signOut = () => post('/sign-out', {})
export const changePassword = (currentPassword: string, newPassword: string) =>
  post('/change-password', { currentPassword, newPassword, revokeOtherSessions: true })
