// A store in a bucket of the test server, under a prefix of its own, and what lies there, half uploads included.
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DeleteObjectCommand, ListMultipartUploadsCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { OpenStore } from '../src/storage/port.cases.ts'
import { createS3BlobStore } from '../src/storage/s3.ts'
import { BUCKET, type S3Environment, s3Client } from './s3-server.ts'

export interface OpenS3Store extends OpenStore {
  readonly prefix: string
  /** Where local files are fetched to. */
  readonly fetched: string
}

export interface S3StoreOptions {
  readonly bucket?: string
  /** One that another store uses too. */
  readonly prefix?: string
  readonly abandonedMs?: number
}

export async function openS3Store(env: S3Environment, options: S3StoreOptions = {}): Promise<OpenS3Store> {
  const { bucket = BUCKET, prefix = `t/${randomUUID()}`, ...more } = options
  const folder = await mkdtemp(path.join(tmpdir(), 'terrace-fetched-'))
  const fetched = path.join(folder, 'fetched')
  // The SDK reads its environment at a client's first request.
  Object.assign(process.env, env)
  const store = await createS3BlobStore({ bucket, prefix, fetched, ...more })
  await store.check().catch(() => {})
  const client = s3Client(env)
  const objects = async () => {
    const keys: string[] = []
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: `${prefix}/` }))
      keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key))
    return keys
  }
  return {
    store,
    prefix,
    fetched,
    async residue() {
      const { Uploads } = await client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${prefix}/` }),
      )
      const uploads = (Uploads ?? []).map(({ Key }) => `unfinished: ${Key}`)
      return [...(await objects()), ...uploads, ...(await readdir(fetched))]
    },
    async [Symbol.asyncDispose]() {
      await objects()
        .then((keys) =>
          Promise.all(keys.map((Key) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key })))),
        )
        .catch(() => {})
      client.destroy()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
