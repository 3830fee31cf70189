// One file on its way to the server. XMLHttpRequest, because fetch does not tell how much has been sent.
import { PUBLIC_PATHS } from '../../../contract/ports.ts'
import { type Failure, failureFromBody, internalFailure, networkFailure } from '../../lib/errors.ts'

export type UploadResult = { ok: true; documentId: string } | { ok: false; failure: Failure }

/** @param onProgress from 0 to 1 */
export function uploadFile(
  file: File,
  collectionId: string,
  onProgress: (share: number) => void,
): Promise<UploadResult> {
  const query = new URLSearchParams({ collection: collectionId, name: file.name })
  const request = new XMLHttpRequest()
  return new Promise((resolve) => {
    request.open('PUT', `${PUBLIC_PATHS.files}?${query}`)
    request.responseType = 'json'
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total)
    }
    request.onerror = () => resolve({ ok: false, failure: networkFailure() })
    request.onload = () => {
      const body: unknown = request.response
      if (request.status >= 200 && request.status < 300 && hasDocument(body)) {
        resolve({ ok: true, documentId: body.documentId })
      } else resolve({ ok: false, failure: failureFromBody(body) ?? internalFailure() })
    }
    request.send(file)
  })
}

function hasDocument(body: unknown): body is { documentId: string } {
  return (
    typeof body === 'object' && body !== null && 'documentId' in body && typeof body.documentId === 'string'
  )
}
