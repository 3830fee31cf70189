// Files in and out, as plain requests: uploads stream to the blob store as they arrive, downloads stream from it.
//   PUT /files?collection=ID&name=NAME[&document=ID][&duplicate=ask|skip|version|keep][&drop=ID]   the raw file as the body
//   GET /files/VERSIONID                                                                         the original, as an attachment
// Files that somebody uploads together carry the same `drop`, of their own choice: what is uploaded later need not wait
// until all of those are read (jobs/turns.ts).
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { LIMITS } from '../../../contract/limits.ts'
import { API_PATHS } from '../../../contract/ports.ts'
import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import { AppError } from '../errors.ts'
import { DUPLICATE_CHOICES } from '../library/accept.ts'
import { headerMediaType } from '../library/media-types.ts'
import { findOriginal } from '../library/originals.ts'
import { type LibraryDeps, receiveFile, requireUploadTarget } from '../library/receive.ts'
import { inMegabytes } from '../storage/receive-body.ts'
import { attachment, parseRange } from './download-headers.ts'
import { invalidInput } from './failure.ts'
import { answerBeforeEnd, UploadBody } from './upload-body.ts'

export interface FileLimits {
  readonly maxBytes: number
  readonly stallMs: number
  readonly totalMs: number
  readonly lingerMs: number
  readonly atOnce: number
  readonly waiting: number
  readonly waitMs: number
}

const FILE_LIMITS: FileLimits = {
  maxBytes: LIMITS.fileBytes,
  stallMs: 60_000,
  // The sweep (library/purge.ts) calls a blob left behind an hour after that.
  totalMs: 2 * 3_600_000,
  lingerMs: 5_000,
  atOnce: 6,
  waiting: 100,
  // Below the 120 s after which load balancers cut a connection that does not move.
  waitMs: 100_000,
}

const uploadQuery = z.object({
  collection: z.uuid(),
  name: z.string(),
  document: z.uuid().optional(),
  duplicate: z.enum(DUPLICATE_CHOICES).default('ask'),
  drop: z
    .string()
    .regex(/^[^\p{Cc}\p{Cs}]{1,64}$/u)
    .optional(),
})

export function registerFiles(
  server: FastifyInstance,
  services: LibraryDeps,
  requireViewer: (request: FastifyRequest) => Promise<Viewer>,
  limits: Partial<FileLimits> = {},
): void {
  const all = { ...FILE_LIMITS, ...limits }
  const slots = new PersonSlots(all)
  server.register(async (scope) => {
    // Whatever its type, a body is not read before its handler does it.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined))
    scope.put(API_PATHS.files, async (request, reply) => {
      try {
        return await upload(services, await requireViewer(request), slots, all, request, reply)
      } catch (error) {
        answerBeforeEnd(request.raw, reply.raw, all.lingerMs)
        throw error
      }
    })
    scope.route<{ Params: { versionId: string } }>({
      method: ['GET', 'HEAD'],
      url: `${API_PATHS.files}/:versionId`,
      handler: async (request, reply) =>
        download(services, await requireViewer(request), request.params.versionId, request, reply),
    })
  })
}

async function upload(
  services: LibraryDeps,
  viewer: Viewer,
  slots: PersonSlots,
  limits: FileLimits,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const query = readQuery(request)
  const target = { collectionId: query.collection, documentId: query.document }
  const length = request.headers['content-length']
  if (Number(length) > limits.maxBytes)
    throw new AppError('TOO_LARGE', { limit: inMegabytes(limits.maxBytes) })
  await requireUploadTarget(services.pool, viewer, target)
  if (length === '0' || (length === undefined && request.headers['transfer-encoding'] === undefined))
    throw new AppError('FILE_EMPTY')
  const release = await slots.take(viewer.userId)
  const body = new UploadBody(request.raw, limits)
  try {
    const accepted = await receiveFile(
      services,
      viewer,
      { ...target, name: query.name, duplicate: query.duplicate, drop: query.drop, body },
      { maxBytes: limits.maxBytes },
    )
    const { created, storageKey: _, ...answer } = accepted
    return reply.code(created ? 201 : 200).send(answer)
  } finally {
    body.destroy()
    release()
  }
}

/** By URLSearchParams, which makes U+FFFD of bytes that are no UTF-8 instead of giving up. */
function readQuery(request: FastifyRequest): z.infer<typeof uploadQuery> {
  const { searchParams } = new URL(request.raw.url ?? '', 'http://terrace')
  const query = uploadQuery.safeParse(Object.fromEntries(searchParams))
  if (!query.success) throw invalidInput(query.error)
  return query.data
}

async function download(
  services: LibraryDeps,
  viewer: Viewer,
  versionId: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const original = await findOriginal(services, viewer, versionId)
  const etag = `"${original.sha256}"`
  const condition = request.headers['if-range']
  const range =
    condition === undefined || condition === etag ? parseRange(request.headers.range, original.bytes) : null
  // Looked at before a header is set: neither an answer that it is gone nor half of it may look like the file.
  if ((await services.blobs.size(original.storageKey)) !== original.bytes)
    throw new AppError(
      'FILE_ORIGINAL_MISSING',
      {},
      { internal: `blob ${original.storageKey} is gone or cut` },
    )
  const body =
    request.method === 'HEAD' || range === 'unsatisfiable'
      ? undefined
      : await services.blobs.get(original.storageKey, range ?? undefined)
  reply.headers({
    'content-type': headerMediaType(original.mediaType),
    'content-disposition': attachment(original.filename),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'private, no-store',
    'accept-ranges': 'bytes',
    etag,
  })
  if (range === 'unsatisfiable')
    return reply.code(416).header('content-range', `bytes */${original.bytes}`).send()
  if (range !== null)
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${original.bytes}`)
  reply.header('content-length', range === null ? original.bytes : range.end - range.start + 1)
  return reply.send(body)
}
