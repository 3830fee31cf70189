import type { NextApiRequest, NextApiResponse } from 'next'

/** The process answers; nothing more is promised. */
export default function healthz(_request: NextApiRequest, response: NextApiResponse): void {
  response.setHeader('cache-control', 'no-store').status(200).json({ status: 'ok' })
}
