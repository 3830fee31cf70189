// Addresses of objects with which whoever has them may read or write one of them for a while, as we may: for a machine that
// has no rights of its own. Nothing is asked for that; whether the object is there, and whether we may, S3 says when it is used.
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { type Connection, isElsewhere } from './connect.ts'
import { inOurWords } from './problems.ts'

interface At {
  readonly bucket: string
  readonly key: string
}

export interface Presign {
  /** @throws AwsProblem without credentials */
  get(at: At, seconds: number): Promise<string>
  /** The same to write it, whatever its bytes are. */
  put(at: At, seconds: number): Promise<string>
  /** When the credentials end, and with them every address; undefined: they have no end. */
  validUntil(): Promise<Date | undefined>
}

export function presigner({ region, profile }: Connection): Presign {
  const client = new S3Client({
    region,
    ...(profile !== undefined && { profile }),
    forcePathStyle: isElsewhere('S3'),
    // Otherwise the checksum of no bytes at all is signed with it, and S3 refuses every other body.
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
  const said = async <T>(operation: string, work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      throw inOurWords(error, { service: 's3', operation, region })
    }
  }
  return {
    get: ({ bucket, key }, expiresIn) =>
      said(
        'GetObject',
        getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn }),
      ),
    put: ({ bucket, key }, expiresIn) =>
      said(
        'PutObject',
        getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: key }), { expiresIn }),
      ),
    validUntil: async () => (await said('PutObject', client.config.credentials())).expiration,
  }
}
