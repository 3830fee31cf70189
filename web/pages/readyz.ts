import { API_PATHS } from '../../contract/ports.ts'
import { apiUrl } from '../lib/env.ts'
import { answerOnly } from '../server/answer-only.ts'
import { phase } from '../server/lifecycle.ts'

const API_WAIT_MS = 2_000

/**
 * Fails only for a cause of this server's own: it is starting or stopping. Without the API pages still say what is
 * wrong, so the API's state is reported and no more; failing for it would take every web server away at once.
 */
export const getServerSideProps = answerOnly(async () => {
  const now = phase()
  const api = await apiState()
  return { status: now === 'serving' ? 200 : 503, body: { ready: now === 'serving', phase: now, api } }
})

async function apiState(): Promise<'ready' | 'not ready' | 'unreachable'> {
  try {
    const answer = await fetch(new URL(API_PATHS.readyz, apiUrl()), {
      signal: AbortSignal.timeout(API_WAIT_MS),
    })
    await answer.body?.cancel()
    return answer.ok ? 'ready' : 'not ready'
  } catch {
    return 'unreachable'
  }
}

export default function Readyz() {
  return null
}
