// How long answers are believed and when a request is tried again.
import type { QueryClientConfig } from '@tanstack/react-query'
import { toFailure } from './errors.ts'

const RETRYABLE = new Set(['NETWORK', 'UNAVAILABLE'])

export function createQueryClientConfig(): QueryClientConfig {
  return {
    defaultOptions: {
      queries: {
        // Changes arrive by events.watch; asking again on every focus would only repeat it.
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        refetchOnReconnect: true,
        retry: (count, error) => count < 3 && RETRYABLE.has(toFailure(error).code),
        retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
      },
      mutations: { retry: false },
    },
  }
}
