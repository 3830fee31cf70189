// The blob store in an S3 bucket: a blob is the object PREFIX/KEY. What may be read and written there, and the life
// cycle rules that the bucket should have: docs/configuration.md.
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AppError } from '../errors.ts'
import { ownFile, sweepOwnFiles } from './own-files.ts'
import { PartSlots } from './part-slots.ts'
import { type BlobStore, checkKey, checkPrefix, isKey } from './port.ts'
import { S3Body } from './s3-body.ts'
import { createClients } from './s3-client.ts'
import { translate } from './s3-errors.ts'
import { putObject } from './s3-put.ts'

export interface S3Options {
  readonly bucket: string
  /** Without a slash at its end; empty for the bucket's root. */
  readonly prefix: string
  /** A folder of this machine for files that localPath fetches. */
  readonly fetched: string
  /** Milliseconds after which an upload that was not completed counts as left behind. Default a day. */
  readonly abandonedMs?: number
}

/** 64 MB; beside them each writer has one part that it fills. */
const PARTS_AT_ONCE = 8
const DAY_MS = 24 * 3_600_000
const MOST_SECONDS = 3_600

/**
 * Asks the network nothing: a store that is away must not keep a server from starting.
 * @throws Error when no region is configured
 */
export async function createS3BlobStore(options: S3Options): Promise<BlobStore> {
  const { bucket: Bucket, fetched, abandonedMs = DAY_MS } = options
  const { client, presigning } = await createClients(Bucket)
  await mkdir(fetched, { recursive: true, mode: 0o700 })
  await sweepOwnFiles(fetched)
  const slots = new PartSlots(PARTS_AT_ONCE)
  const before = options.prefix === '' ? '' : `${options.prefix}/`
  const objectOf = (key: string) => before + checkKey(key)
  const where = (key: string) => `s3://${Bucket}/${before}${key}`

  async function check(signal?: AbortSignal): Promise<void> {
    try {
      await client.send(
        new HeadBucketCommand({ Bucket }),
        signal === undefined ? {} : { abortSignal: signal },
      )
    } catch (error) {
      throw bucketError(error, `HeadBucket ${Bucket}`)
    }
  }

  async function get(key: string, range?: { start: number; end: number }, signal?: AbortSignal) {
    const Key = objectOf(key)
    const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end}`
    let found: GetObjectCommandOutput
    try {
      const command = new GetObjectCommand({ Bucket, Key, Range })
      found = await client.send(command, signal === undefined ? {} : { abortSignal: signal })
    } catch (error) {
      // The range begins behind the end.
      if (error instanceof S3ServiceException && error.name === 'InvalidRange')
        return Readable.from([], { objectMode: false })
      throw translate(error, `GetObject ${where(key)}`)
    }
    if (!(found.Body instanceof Readable) || found.ContentLength === undefined)
      throw new Error(`S3 answered without a body for ${where(key)}`)
    return new S3Body(found.Body, found.ContentLength, where(key))
  }

  async function size(key: string): Promise<number | null> {
    const Key = objectOf(key)
    try {
      return (await client.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength ?? 0
    } catch (error) {
      const translated = translate(error, `HeadObject ${where(key)}`)
      if (!(translated instanceof AppError) || translated.code !== 'NOT_FOUND') throw translated
      // S3 says the same where the bucket itself is gone.
      await check()
      return null
    }
  }

  return {
    async put(key, body, putOptions = {}) {
      try {
        return await putObject({ client, slots, bucket: Bucket, key: objectOf(key) }, body, putOptions)
      } catch (error) {
        body.destroy()
        throw error
      }
    },

    get: (key, range) => get(key, range),
    size,

    async delete(key) {
      const Key = objectOf(key)
      try {
        await client.send(new DeleteObjectCommand({ Bucket, Key }))
      } catch (error) {
        throw translate(error, `DeleteObject ${where(key)}`)
      }
    },

    async *list(prefix) {
      const Prefix = before + checkPrefix(prefix)
      try {
        for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix }))
          for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
            const key = Key.slice(before.length)
            // What others keep below the same prefix is none of ours.
            if (isKey(key)) yield { key, bytes: Size, modifiedAt: LastModified }
          }
      } catch (error) {
        throw bucketError(error, `ListObjectsV2 ${where(prefix)}`)
      }
    },

    async localPath(key, { signal } = {}) {
      const file = ownFile(fetched)
      try {
        const body = await get(key, undefined, signal)
        await pipeline(body, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal })
      } catch (error) {
        await rm(file, { force: true })
        throw signal?.aborted ? signal.reason : diskError(error, key)
      }
      return { path: file, [Symbol.asyncDispose]: () => rm(file, { force: true }) }
    },

    async presignPut(key, { bytes, sha256, seconds }) {
      const Key = objectOf(key)
      const checksum = sha256 === undefined ? undefined : Buffer.from(sha256, 'hex').toString('base64')
      const url = await getSignedUrl(
        presigning,
        new PutObjectCommand({
          ...{ Bucket, Key, ContentLength: bytes, IfNoneMatch: '*', ChecksumSHA256: checksum },
        }),
        {
          expiresIn: Math.max(1, Math.min(Math.floor(seconds), MOST_SECONDS)),
          // In the address it would be no checksum of the body, only a parameter.
          unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
        },
      ).catch((error: unknown) => {
        throw translate(error, `signing for ${where(key)}`)
      })
      const headers = { 'if-none-match': '*' }
      return {
        url,
        method: 'PUT',
        headers: checksum === undefined ? headers : { ...headers, 'x-amz-checksum-sha256': checksum },
      }
    },

    check,

    async sweep() {
      await sweepOwnFiles(fetched)
      const until = Date.now() - abandonedMs
      let from: { KeyMarker: string | undefined; UploadIdMarker: string | undefined } | undefined
      try {
        do {
          const page = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: before, ...from }))
          for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
            if (Key !== undefined && Initiated !== undefined && Initiated.getTime() <= until)
              await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(unlessGone)
          from = page.IsTruncated
            ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
            : undefined
        } while (from !== undefined)
      } catch (error) {
        throw bucketError(error, `sweeping s3://${Bucket}/${before}`)
      }
    },
  }
}

/** For calls about the bucket as a whole: when that is not there, no blob is missing but the store. */
function bucketError(error: unknown, what: string): unknown {
  const translated = translate(error, what)
  if (translated instanceof AppError && translated.code === 'NOT_FOUND')
    return new AppError(
      'UNAVAILABLE',
      { reason: 'the storage is not there' },
      { cause: error, internal: what },
    )
  return translated
}

/** Another server sweeps too. */
function unlessGone(error: unknown): void {
  if (!(error instanceof S3ServiceException) || error.name !== 'NoSuchUpload') throw error
}

function diskError(error: unknown, key: string): unknown {
  const full = error instanceof Error && 'code' in error && /^(?:ENOSPC|EDQUOT)$/.test(String(error.code))
  return full
    ? new AppError('STORAGE_FULL', {}, { cause: error, internal: `while fetching ${key} to this machine` })
    : error
}
