// Somewhere a request was refused for want of a session: the shell hears of it and asks for a new one.
const listeners = new Set<() => void>()

export function reportSignedOut(): void {
  for (const listener of listeners) listener()
}

export function onSignedOut(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
