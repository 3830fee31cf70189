// Everything under /api that is not a file beside this one belongs to the API server.
import type { NextApiRequest, NextApiResponse } from 'next'
import { API_PATHS, PUBLIC_PATHS } from '../../../contract/ports.ts'
import { apiUrl, trustedProxyHops } from '../../lib/env.ts'
import { answerNotFound, pipeToApi } from '../../server/pipe.ts'

// The body is not read here: it flows through. The answer comes when it comes.
export const config = { api: { bodyParser: false, externalResolver: true, responseLimit: false } }

const PIPED = [
  [PUBLIC_PATHS.trpc, API_PATHS.trpc],
  [PUBLIC_PATHS.auth, API_PATHS.auth],
  [PUBLIC_PATHS.files, API_PATHS.files],
  [PUBLIC_PATHS.v1, API_PATHS.v1],
  [PUBLIC_PATHS.mcp, API_PATHS.mcp],
] as const

function apiPath(url: string): string | null {
  for (const [from, to] of PIPED) {
    const rest = url.slice(from.length)
    if (url.startsWith(from) && (rest === '' || rest.startsWith('/') || rest.startsWith('?')))
      return to + rest
  }
  return null
}

export default async function handler(request: NextApiRequest, response: NextApiResponse): Promise<void> {
  const path = apiPath(request.url ?? '')
  if (path === null) return answerNotFound(response)
  const resumes = !path.startsWith(API_PATHS.v1)
  await pipeToApi(request, response, path, { api: apiUrl(), trustedProxyHops: trustedProxyHops(), resumes })
}
