import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from 'next/router'

/**
 * To be called once the session cookie is there. Whatever was cached may belong to the person before, so all of
 * it goes.
 */
export function useSignedIn(): (path: string) => Promise<void> {
  const client = useQueryClient()
  const router = useRouter()
  return async (path) => {
    client.clear()
    await router.replace(path)
  }
}
