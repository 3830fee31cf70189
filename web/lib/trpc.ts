// The typed way to the API. Everything goes to /api/trpc on this origin, which the web server pipes on.
import { httpBatchLink, httpSubscriptionLink, splitLink, type TRPCLink } from '@trpc/client'
import { createTRPCNext } from '@trpc/next'
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server'
import type { AppRouter } from '../../api/src/routers/router.ts'
import { PUBLIC_PATHS } from '../../contract/ports.ts'
import { noteSeen, seenHeader } from './position.ts'
import { createQueryClientConfig } from './query-client.ts'
import { wire } from './wire.ts'

export type Inputs = inferRouterInputs<AppRouter>
export type Outputs = inferRouterOutputs<AppRouter>

export function links(): TRPCLink<AppRouter>[] {
  return [
    splitLink({
      condition: (operation) => operation.type === 'subscription',
      true: httpSubscriptionLink({ url: PUBLIC_PATHS.trpc, transformer: wire }),
      // 2,000: a batch of queries with uuids stays below what every proxy takes as a URL.
      false: httpBatchLink({
        url: PUBLIC_PATHS.trpc,
        transformer: wire,
        maxURLLength: 2000,
        headers: seenHeader,
        fetch: async (input, init) => {
          // tRPC's own type only differs in writing out that a signal may be absent.
          const response = await fetch(input, init as RequestInit)
          noteSeen(response.headers)
          return response
        },
      }),
    }),
  ]
}

export type Client = ReturnType<typeof trpc.useUtils>['client']

export const trpc = createTRPCNext<AppRouter>({
  config: () => ({ links: links(), queryClientConfig: createQueryClientConfig() }),
  transformer: wire,
})
