// Who looks at the page. The session is an HttpOnly cookie that script can't read; people.me says whose it is.
import { useRouter } from 'next/router'
import { useEffect } from 'react'
import { onSignedOut } from './session-events.ts'
import { type Outputs, trpc } from './trpc.ts'

export type Me = NonNullable<Outputs['people']['me']>

export function useMe() {
  return trpc.people.me.useQuery(undefined, { staleTime: 60_000 })
}

/** The person on a page that needs one; on such pages the shell shows nothing before it is known. */
export function useViewer(): Me | null {
  return useMe().data ?? null
}

/** An address of this site to go back to after signing in; anything else would be an open redirect. */
export function safeReturnPath(value: unknown): string {
  if (typeof value !== 'string') return '/'
  // The browser reads `//host` and `/\host` as another site, and drops tabs and line breaks before it looks.
  const url = URL.canParse(value, 'https://here.invalid') ? new URL(value, 'https://here.invalid') : null
  if (!value.startsWith('/') || url === null || url.origin !== 'https://here.invalid') return '/'
  const path = `${url.pathname}${url.search}${url.hash}`
  return path.startsWith('//') ? '/' : path
}

export const signInPath = (returnTo: string): string =>
  returnTo === '/' ? '/sign-in' : `/sign-in?${new URLSearchParams({ next: returnTo })}`

/** Sends people without a session to the sign-in page, and back to where they were afterwards. */
export function useRequireSession(required: boolean) {
  const me = useMe()
  const router = useRouter()
  const utils = trpc.useUtils()
  // Any refused request ends the session here too, without asking once more.
  useEffect(() => onSignedOut(() => utils.people.me.setData(undefined, null)), [utils])
  const missing = required && me.data === null
  useEffect(() => {
    if (missing) void router.replace(signInPath(router.asPath))
  }, [missing, router])
  return me
}
