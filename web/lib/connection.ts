// Whether the server can be reached: what the browser says about its network, and what requests met.
// Requests report here; the banner and the live list listen.
import { useSyncExternalStore } from 'react'

let reachable = true
const listeners = new Set<() => void>()

export function reportReachable(now: boolean): void {
  if (now === reachable) return
  reachable = now
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('online', listener)
  window.addEventListener('offline', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('online', listener)
    window.removeEventListener('offline', listener)
  }
}

export function useConnected(): boolean {
  return useSyncExternalStore(
    subscribe,
    () => reachable && navigator.onLine,
    () => true,
  )
}
