import { S3ServiceException } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { AppError } from '../errors.ts'
import { StorageRefuses } from './port.ts'
import { translate } from './s3-errors.ts'

const fromS3 = (name: string, httpStatusCode: number) =>
  new S3ServiceException({ name, $fault: 'client', $metadata: { httpStatusCode } })
const fromSystem = (code: string) => Object.assign(new Error(`connect ${code}`), { code })
const named = (name: string) => Object.assign(new Error('from the SDK'), { name })

test.each([
  [fromS3('NoSuchKey', 404), 'NOT_FOUND'],
  [fromS3('NotFound', 404), 'NOT_FOUND'],
  [fromS3('PreconditionFailed', 412), 'CONFLICT'],
  [fromS3('ConditionalRequestConflict', 409), 'UNAVAILABLE'],
  [fromS3('NoSuchBucket', 404), 'UNAVAILABLE'],
  [fromS3('NoSuchUpload', 404), 'UNAVAILABLE'],
  [fromS3('AccessDenied', 403), 'UNAVAILABLE'],
  [fromS3('Unknown', 403), 'UNAVAILABLE'],
  [fromS3('PermanentRedirect', 301), 'UNAVAILABLE'],
  [fromS3('BadDigest', 400), 'UNAVAILABLE'],
  [fromS3('SlowDown', 503), 'UNAVAILABLE'],
  [fromS3('InternalError', 500), 'UNAVAILABLE'],
  [fromS3('QuotaExceeded', 403), 'STORAGE_FULL'],
  [fromS3('Unknown', 507), 'STORAGE_FULL'],
  [fromSystem('ECONNREFUSED'), 'UNAVAILABLE'],
  [fromSystem('ENOTFOUND'), 'UNAVAILABLE'],
  [named('TimeoutError'), 'UNAVAILABLE'],
  [named('CredentialsProviderError'), 'UNAVAILABLE'],
])('%s is %s', (error, code) => {
  expect(translate(error, 'GetObject s3://bucket/key')).toMatchObject({ code, cause: error })
})

test.each([
  [fromS3('InvalidObjectState', 403), true],
  [fromS3('AccessDenied', 403), true],
  [fromS3('KMS.DisabledException', 400), true],
  [fromS3('SlowDown', 503), false],
  [fromS3('RequestTimeout', 400), false],
  [fromSystem('ECONNREFUSED'), false],
])('%s is a storage that says no: %s', (error, refuses) => {
  expect(translate(error, 'GetObject s3://bucket/key') instanceof StorageRefuses).toBe(refuses)
})

test('what is no fault of the storage passes as it is', () => {
  for (const error of [new TypeError('a bug'), fromSystem('ERR_INVALID_ARG_TYPE'), new AppError('TOO_LARGE')])
    expect(translate(error, 'x')).toBe(error)
})
