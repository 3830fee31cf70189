import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { PUBLIC_PATHS } from '../../../contract/ports.ts'
import { reportReachable, useConnected } from '../../lib/connection.ts'

const PROBE_MS = 2_500

/** While the server can't be reached, looks for it; once it is back, everything that is shown is fetched again. */
export function useRecovery(): void {
  const connected = useConnected()
  const cache = useQueryClient()
  const wasConnected = useRef(true)

  useEffect(() => {
    if (connected && !wasConnected.current) void cache.invalidateQueries()
    wasConnected.current = connected
    if (connected) return
    const probe = async () => {
      const answer = await fetch(PUBLIC_PATHS.readyz).catch(() => null)
      const body: unknown = await answer?.json().catch(() => null)
      if (typeof body === 'object' && body !== null && 'api' in body && body.api === 'ready')
        reportReachable(true)
    }
    const timer = setInterval(() => void probe(), PROBE_MS)
    return () => clearInterval(timer)
  }, [connected, cache])
}
