// Steps that several tests of people take, over HTTP as pages do.
import { TRPCClientError } from '@trpc/client'
import type { AppRouter } from '../src/routers/router.ts'
import type { TestServer } from './server.ts'

export const TOKEN = 'test-setup-token-0123456789'
export const PASSWORD = 'correct horse battery'

/** The code of a refused call. */
export async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof TRPCClientError) return (error as TRPCClientError<AppRouter>).data?.code ?? 'no data'
    throw error
  }
}

export function signIn(server: TestServer, email: string, password: string): Promise<Response> {
  return server.anonymous.fetch('/auth/sign-in/email', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  })
}

/** Name and value of the cookie that a sign-in set. */
export function cookieOf(response: Response): string {
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

export async function me(server: TestServer, cookie: string): Promise<unknown> {
  const response = await fetch(`${server.url}/trpc/people.me`, { headers: { cookie } })
  return ((await response.json()) as { result: { data: { json: unknown } } }).result.data.json
}
