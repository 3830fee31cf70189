// Schemas of documents as they leave the API, in lists and in events alike.
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../../../contract/errors.ts'
import { COLLECTION_ROLES, DOCUMENT_STAGES } from '../../../../contract/stages.ts'

const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]])

export const versionItem = z.object({
  id: z.uuid(),
  number: z.int(),
  filename: z.string(),
  mediaType: z.string(),
  bytes: z.number(),
  stage: z.enum(DOCUMENT_STAGES),
  pages: z.int().nullable(),
  pagesParsed: z.int(),
  passages: z.int().nullable(),
  passagesEmbedded: z.int(),
  language: z.string().nullable(),
  /** Why it needs attention: the code, the sentence, and what the sentence was made of. */
  error: z
    .object({
      code: errorCode,
      message: z.string(),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    })
    .nullable(),
  cancelling: z.boolean(),
  createdAt: z.date(),
  wordsAt: z.date().nullable(),
  searchableAt: z.date().nullable(),
})

export const documentItem = z.object({
  id: z.uuid(),
  collectionId: z.uuid(),
  name: z.string(),
  createdAt: z.date(),
  role: z.enum(COLLECTION_ROLES),
  /** The newest one, which need not be searched yet. */
  version: versionItem,
  /** Some version of it can be found. */
  searchable: z.boolean(),
})

export const documentId = z.object({ id: z.uuid() })
export const readingId = z.int().min(1).max(2_147_483_647)
export const done = z.object({ ok: z.literal(true) })
