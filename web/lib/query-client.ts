// How long answers are believed, when a request is tried again, and what every failure means for the page around.
import { MutationCache, QueryCache, type QueryClientConfig } from '@tanstack/react-query'
import { reportReachable } from './connection.ts'
import { toFailure } from './errors.ts'
import { reportSignedOut } from './session-events.ts'

const RETRYABLE = new Set(['NETWORK', 'UNAVAILABLE'])

function onError(error: unknown): void {
  const { code } = toFailure(error)
  if (code === 'SIGN_IN_REQUIRED') reportSignedOut()
  if (RETRYABLE.has(code)) reportReachable(false)
}
const onSuccess = () => reportReachable(true)

export function createQueryClientConfig(): QueryClientConfig {
  return {
    queryCache: new QueryCache({ onError, onSuccess }),
    mutationCache: new MutationCache({ onError, onSuccess }),
    defaultOptions: {
      queries: {
        // Changes arrive by events.watch; asking again on every focus would only repeat it.
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        retry: (count, error) => count < 2 && RETRYABLE.has(toFailure(error).code),
        retryDelay: (count) => 500 * 2 ** count,
      },
      mutations: { retry: false },
    },
  }
}
