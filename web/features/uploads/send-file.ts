// One file over XMLHttpRequest, which alone tells how much of a body has left.
import { PUBLIC_PATHS } from '../../../contract/ports.ts'
import { POSITION_HEADER } from '../../../contract/position.ts'
import { failureFromBody, internalFailure, networkFailure } from '../../lib/errors.ts'
import { notePosition } from '../../lib/position.ts'
import type { Accepted, Outcome, Send } from './upload-queue.ts'

/** Codes that say "not now" rather than "not this". */
const LATER = new Set(['UNAVAILABLE', 'TOO_MANY_REQUESTS', 'UPLOAD_STALLED', 'UPLOAD_INCOMPLETE'])

export const sendFile: Send = (upload, duplicate, onProgress, signal) =>
  new Promise((resolve) => {
    const query = new URLSearchParams({
      collection: upload.collectionId,
      name: upload.file.name,
      duplicate,
      drop: upload.drop,
    })
    if (upload.documentId !== undefined) query.set('document', upload.documentId)
    const request = new XMLHttpRequest()
    request.open('PUT', `${PUBLIC_PATHS.files}?${query}`)
    // The kind of a file is decided by looking into it; this only keeps the browser from guessing.
    request.setRequestHeader('content-type', 'application/octet-stream')
    request.upload.onprogress = (event) => onProgress(event.loaded)
    request.onload = () => {
      notePosition(request.getResponseHeader(POSITION_HEADER))
      resolve(outcomeOf(request.status, request.responseText))
    }
    request.onerror = () => resolve({ kind: 'again', failure: networkFailure() })
    request.onabort = () => resolve({ kind: 'refused', failure: networkFailure() })
    signal.addEventListener('abort', () => request.abort())
    request.send(upload.file)
  })

export function outcomeOf(status: number, text: string): Outcome {
  const body = parse(text)
  if (status >= 200 && status < 300 && isAccepted(body)) return { kind: 'accepted', accepted: body }
  const failure = failureFromBody(body) ?? internalFailure()
  return { kind: LATER.has(failure.code) || status === 504 ? 'again' : 'refused', failure }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isAccepted = (body: unknown): body is Accepted =>
  typeof body === 'object' &&
  body !== null &&
  'documentId' in body &&
  typeof body.documentId === 'string' &&
  'versionId' in body &&
  typeof body.versionId === 'string'
