// The S3 client as this program uses it. Region, endpoint and credentials come from the SDK's own chain: environment
// (AWS_REGION, AWS_ENDPOINT_URL_S3, …), the shared files, the instance's role.
import { HeadBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

/** Where a bucket may be addressed as a host name of its own. Everywhere else it stands in the path. */
const AWS_HOST = /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws)$/

const CONNECT_MS = 5_000
/** From the first byte sent to the headers of the answer. */
const ANSWER_MS = 20_000
/** For requests that carry a part of 8 MB (67 s at 1 Mbit/s) or have many put together. */
export const BODY_PATIENCE = { requestTimeout: 120_000 } as const
/** Every download holds one for as long as its reader takes; the SDK's own 50 are gone with 50 slow ones. */
const SOCKETS = 1_000

export interface S3Clients {
  readonly client: S3Client
  /** Computes no checksum of the body that it does not have: what it signs is put by somebody else. */
  readonly presigning: S3Client
}

/** @throws Error when no region is configured */
export async function createClients(bucket: string): Promise<S3Clients> {
  const agent = { keepAlive: true, maxSockets: SOCKETS }
  const common: S3ClientConfig = {
    forcePathStyle: !(await isAws(bucket)),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  }
  return {
    client: new S3Client(common),
    presigning: new S3Client({ ...common, requestChecksumCalculation: 'WHEN_REQUIRED' }),
  }
}

/** The SDK tells nowhere which endpoint it chose, but signs addresses with it: no request is sent for that. */
async function isAws(bucket: string): Promise<boolean> {
  const client = new S3Client({ credentials: { accessKeyId: 'none', secretAccessKey: 'none' } })
  const { hostname } = new URL(await getSignedUrl(client, new HeadBucketCommand({ Bucket: bucket })))
  return AWS_HOST.test(hostname)
}
