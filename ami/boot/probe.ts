// Asks the server of this machine how it is, as the load balancer does.
import { API_PATHS, PORTS, PUBLIC_PATHS } from '../../contract/ports.ts'
import type { Probe } from './in-service.ts'
import type { Launch } from './launch.ts'

/** As long as the load balancer waits (infra/balancing.ts). */
const ANSWER_MS = 5_000

/** The port is the one that the load balancer knows, whatever PORT says. */
export const readyAddress = (tier: Launch['tier']): string =>
  `http://127.0.0.1:${PORTS[tier]}${tier === 'api' ? API_PATHS.readyz : PUBLIC_PATHS.readyz}`

export async function probe(address: string, answerMs = ANSWER_MS): Promise<Probe> {
  let response: Response
  let text: string
  try {
    response = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(answerMs) })
    text = await response.text()
  } catch (error) {
    // It listens, and does not come to answer: it works.
    if (error instanceof Error && error.name === 'TimeoutError')
      return { state: 'loading', reason: 'it does not answer in time' }
    return { state: 'silent' }
  }
  if (response.status === 200) return { state: 'ready' }
  return { state: 'loading', reason: reasonsIn(text) ?? `it answers ${response.status}` }
}

function reasonsIn(text: string): string | undefined {
  try {
    const { reasons } = JSON.parse(text) as { reasons?: unknown }
    return Array.isArray(reasons) && reasons.length > 0 ? reasons.join('; ') : undefined
  } catch {
    return undefined
  }
}
