// A client that remembers what it has seen, as a browser does (web/lib/position.ts).
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client'
import superjson from 'superjson'
import { API_PATHS } from '../../contract/ports.ts'
import {
  formatPosition,
  laterPosition,
  POSITION_HEADER,
  parsePosition,
  type Seen,
} from '../../contract/position.ts'
import type { AppRouter } from '../src/routers/router.ts'
import type { Person, TestServer } from './server.ts'

export interface Browser extends Pick<Person, 'viewer' | 'fetch'> {
  readonly api: TRPCClient<AppRouter>
  seen(): Seen | null
  /** What a reply or an event says. */
  note(position: string | null | undefined): void
  /** The same browser, whose next requests another server answers. */
  at(server: Pick<TestServer, 'url'>): Browser
}

export function browser(server: Pick<TestServer, 'url'>, person: Person): Browser {
  let seen: Seen | null = null
  const note = (position: string | null | undefined) => {
    const heard = parsePosition(position)
    if (heard !== null) seen = laterPosition(seen, heard)
  }
  const at = ({ url }: Pick<TestServer, 'url'>): Browser => {
    const ask: typeof fetch = async (input, init) => {
      const headers = new Headers(init?.headers)
      headers.set('cookie', person.cookie)
      if (seen !== null) headers.set(POSITION_HEADER, formatPosition(seen))
      const response = await fetch(input, { ...init, headers })
      note(response.headers.get(POSITION_HEADER))
      return response
    }
    const link = httpLink({
      url: url + API_PATHS.trpc,
      transformer: superjson,
      headers: { origin: 'http://localhost:3000' },
      fetch: (input, init) => ask(input as string, init as RequestInit),
    })
    return {
      viewer: person.viewer,
      api: createTRPCClient<AppRouter>({ links: [link] }),
      fetch: (path, init) =>
        ask(url + path, { ...init, headers: { ...headersOf(init), origin: 'http://localhost:3000' } }),
      seen: () => seen,
      note,
      at,
    }
  }
  return at(server)
}

function headersOf(init: RequestInit | undefined): Record<string, string> {
  return init?.headers === undefined ? {} : Object.fromEntries(new Headers(init.headers))
}
