// What S3 and the way to it fail with, in the port's terms. A store that is away or misconfigured is UNAVAILABLE, never
// NOT_FOUND: a document must not count as lost because a bucket's policy changed.
import { S3ServiceException } from '@aws-sdk/client-s3'
import { AppError } from '../errors.ts'
import { StorageRefuses } from './port.ts'

/** AWS has no such thing; stores that speak its protocol do. */
const FULL = new Set(['InsufficientStorage', 'QuotaExceeded', 'XMinioStorageFull'])
/** What S3 got was not what was sent, by its checksum or length. */
const DAMAGED = new Set(['BadDigest', 'IncompleteBody', 'InvalidDigest', 'XAmzContentSHA256Mismatch'])
/** Names of errors that come from the SDK itself and have no system code. */
const AWAY = new Set(['TimeoutError', 'CredentialsProviderError', 'NetworkingError', 'TokenProviderError'])

export const noAnswer = (cause: unknown, internal: string) =>
  new AppError('UNAVAILABLE', { reason: 'the storage does not answer' }, { cause, internal })

export const taken = (internal: string, cause?: unknown) =>
  new AppError('CONFLICT', { reason: 'it is stored already' }, { cause, internal })

/** @param what the call and the object, for the log */
export function translate(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof AppError) return error
  const internal = `${what}: ${error.name}`
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 0
    // A HEAD's answer has no body, so no NoSuchKey either; who asks by HEAD knows what 404 means.
    if (error.name === 'NoSuchKey' || error.name === 'NotFound')
      return new AppError('NOT_FOUND', {}, { cause: error, internal })
    if (error.name === 'PreconditionFailed') return taken(internal, error)
    if (status === 507 || FULL.has(error.name))
      return new AppError('STORAGE_FULL', {}, { cause: error, internal })
    if (status >= 500 || status === 429 || error.name === 'RequestTimeout') return noAnswer(error, internal)
    if (DAMAGED.has(error.name))
      return new AppError(
        'UNAVAILABLE',
        { reason: 'what was sent to the storage was damaged on the way' },
        { cause: error, internal },
      )
    if (status === 409)
      return new AppError(
        'UNAVAILABLE',
        { reason: 'somebody else was just changing this in the storage' },
        { cause: error, internal },
      )
    // Credentials, policy, a bucket that is not there or elsewhere, a clock that is wrong; or of this object alone.
    return new StorageRefuses(
      'UNAVAILABLE',
      { reason: 'the storage refuses this server; an operator has to look' },
      { cause: error, internal },
    )
  }
  const code = 'code' in error ? String(error.code) : ''
  const system = code !== '' && !code.startsWith('ERR_INVALID_')
  return system || AWAY.has(error.name) ? noAnswer(error, internal) : error
}
