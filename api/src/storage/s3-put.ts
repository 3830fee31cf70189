// Writing one object: up to a part's size in one request, beyond that as a multipart upload with few parts in memory.
// Either way it appears in one step, on condition that the key is free. S3 checks the CRC32 of every request's bytes,
// and of the whole when the parts are put together.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { PartSlots } from './part-slots.ts'
import type { Stored } from './port.ts'
import { abortReason, receiveBody } from './receive-body.ts'
import { BODY_PATIENCE } from './s3-client.ts'
import { taken, translate } from './s3-errors.ts'

const PART_BYTES = 8 * 1024 * 1024
/** S3 takes no more. */
const PARTS = 10_000
/** Of one writer. What all of them have under way is bounded by the slots they share. */
const IN_FLIGHT = 3
/** Says who wrote an object. */
const WRITER = 'terrace-writer'

export interface ObjectAddress {
  readonly client: S3Client
  readonly slots: PartSlots
  readonly bucket: string
  /** With the store's prefix. */
  readonly key: string
}

/**
 * Should the store go away in the very last step, the object may be there all the same, whole: who gives up then
 * deletes the key.
 * @throws AppError like BlobStore.put; what the body fails with; the signal's reason
 */
export async function putObject(
  at: ObjectAddress,
  body: Readable,
  options: { readonly maxBytes?: number; readonly signal?: AbortSignal },
): Promise<Stored> {
  const { signal } = options
  const maxBytes = Math.min(options.maxBytes ?? Number.POSITIVE_INFINITY, PARTS * PART_BYTES)
  // Nobody need be listening any more when a part fails.
  const upload = new Upload(at, signal, (error) => body.on('error', () => {}).destroy(error))
  try {
    const stored = await receiveBody(body, { ...options, maxBytes }, (chunk) => upload.add(chunk))
    await upload.finish(stored.bytes)
    return stored
  } catch (error) {
    body.destroy()
    await upload.discard()
    throw signal?.aborted ? abortReason(signal) : (upload.failure ?? error)
  }
}

class Upload {
  readonly #at: ObjectAddress
  readonly #onFailure: (error: Error) => void
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #writer = randomUUID()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #parts: CompletedPart[] = []
  #uploadId: string | undefined
  #filling: Buffer[] = []
  #filled = 0
  #sent = 0
  #crc = 0
  /** The first part that failed; what follows from it (a destroyed body, aborted parts) tells less. */
  failure: Error | undefined

  constructor(at: ObjectAddress, signal: AbortSignal | undefined, onFailure: (error: Error) => void) {
    this.#at = at
    this.#onFailure = onFailure
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
  }

  /** Resolves when there is room for more. */
  async add(chunk: Buffer): Promise<void> {
    this.#crc = crc32(chunk, this.#crc)
    let rest = chunk
    // A full part waits for the next byte: without one it is the whole object.
    while (this.#filled + rest.length > PART_BYTES) {
      const fits = PART_BYTES - this.#filled
      this.#fill(rest.subarray(0, fits))
      rest = rest.subarray(fits)
      await this.#sendPart()
    }
    this.#fill(rest)
  }

  async finish(bytes: number): Promise<void> {
    const { client, bucket: Bucket, key: Key } = this.#at
    if (this.#uploadId === undefined) {
      const Metadata = { [WRITER]: this.#writer }
      const put = new PutObjectCommand({ Bucket, Key, Body: this.#take(), Metadata, IfNoneMatch: '*' })
      return await this.#commit('PutObject', () => client.send(put, BODY_PATIENCE))
    }
    await this.#sendPart()
    await Promise.all(this.#inFlight)
    this.#signal.throwIfAborted()
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(this.#crc)
    const complete = new CompleteMultipartUploadCommand({
      ...{ Bucket, Key, UploadId: this.#uploadId, IfNoneMatch: '*', MpuObjectSize: bytes },
      MultipartUpload: { Parts: this.#parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)) },
      ChecksumCRC32: checksum.toString('base64'),
      ChecksumType: 'FULL_OBJECT',
    })
    await this.#commit('CompleteMultipartUpload', () => client.send(complete, BODY_PATIENCE))
  }

  /** After a failure: nothing is under way any more and S3 keeps no parts. Never rejects; sweep() comes after it. */
  async discard(): Promise<void> {
    this.#stop.abort()
    this.#filling = []
    await Promise.all(this.#inFlight)
    if (this.#uploadId === undefined) return
    const { client, bucket: Bucket, key: Key } = this.#at
    const abort = new AbortMultipartUploadCommand({ Bucket, Key, UploadId: this.#uploadId })
    await client.send(abort).catch(() => {})
  }

  /**
   * The step that makes the object appear. The answer to it can get lost, and its repetition is then refused because
   * the key is taken, by us: so whatever the answer was, what lies there decides. Not aborted once it has begun.
   */
  async #commit(name: string, send: () => Promise<unknown>): Promise<void> {
    try {
      await send()
    } catch (error) {
      const writer = await this.#writerThere().catch(() => undefined)
      if (writer === this.#writer) return
      throw writer === undefined ? translate(error, this.#what(name)) : taken(this.#what(name), error)
    }
  }

  /** Null: an object whose writer did not say who it is. Undefined: none. */
  async #writerThere(): Promise<string | null | undefined> {
    const { client, bucket: Bucket, key: Key } = this.#at
    const { Metadata } = await client.send(new HeadObjectCommand({ Bucket, Key }))
    return Metadata?.[WRITER] ?? null
  }

  #fill(chunk: Buffer): void {
    this.#filling.push(chunk)
    this.#filled += chunk.length
  }

  #take(): Buffer {
    const part = Buffer.concat(this.#filling, this.#filled)
    this.#filling = []
    this.#filled = 0
    return part
  }

  async #sendPart(): Promise<void> {
    const { client, slots, bucket: Bucket, key: Key } = this.#at
    this.#uploadId ??= await this.#create()
    const giveBack = await slots.take(this.#signal)
    const PartNumber = ++this.#sent
    const part = { Bucket, Key, UploadId: this.#uploadId, PartNumber, Body: this.#take() }
    const sending = client
      .send(new UploadPartCommand(part), { ...BODY_PATIENCE, abortSignal: this.#signal })
      .then(
        ({ ETag, ChecksumCRC32 }) => {
          this.#parts.push({ PartNumber, ETag, ChecksumCRC32 })
        },
        (error: unknown) => this.#fail(translate(error, this.#what('UploadPart'))),
      )
      .finally(() => {
        this.#inFlight.delete(sending)
        giveBack()
      })
    this.#inFlight.add(sending)
    if (this.#inFlight.size >= IN_FLIGHT) await Promise.race(this.#inFlight)
    this.#signal.throwIfAborted()
  }

  /** Not aborted: what was created has to be known, or nobody could remove it. */
  async #create(): Promise<string> {
    const { client, bucket: Bucket, key: Key } = this.#at
    const create = new CreateMultipartUploadCommand({
      ...{ Bucket, Key, Metadata: { [WRITER]: this.#writer } },
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    })
    try {
      const { UploadId } = await client.send(create)
      if (UploadId === undefined) throw new Error('S3 named no upload')
      return UploadId
    } catch (error) {
      throw translate(error, this.#what('CreateMultipartUpload'))
    }
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.failure = error instanceof Error ? error : new Error(String(error))
    this.#stop.abort()
    this.#onFailure(this.failure)
  }

  #what(call: string): string {
    return `${call} s3://${this.#at.bucket}/${this.#at.key}`
  }
}
