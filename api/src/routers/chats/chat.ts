// Schemas of chats as they leave the API.
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../../../contract/errors.ts'
import { LIMITS } from '../../../../contract/limits.ts'
import { ATTEMPT_STATES } from '../../../../contract/stages.ts'

export const chatId = z.object({ id: z.uuid() })
export const answerId = z.object({ answerId: z.uuid() })
export const attemptId = z.object({ attemptId: z.uuid() })
export const modelId = z.string().min(1).max(100)
export const scope = z.object({
  collectionIds: z.array(z.uuid()).max(LIMITS.collectionsPerChat),
  /** Answers come from this document only. */
  documentId: z.uuid().optional(),
})
/** This page is able and willing to get the answer from the model endpoint itself. */
export const direct = z.boolean().default(false)
export const done = z.object({ ok: z.literal(true) })

const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]])

export const attemptError = z.object({
  code: errorCode,
  message: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})

export const citation = z.object({
  /** The `[n]` in the answer's text. */
  number: z.int(),
  passageId: z.int(),
  documentId: z.uuid(),
  documentName: z.string(),
  versionId: z.uuid(),
  readingId: z.int(),
  page: z.int(),
  /** UTF-16 code units in the page's text, end exclusive. */
  charStart: z.int(),
  charEnd: z.int(),
  /** Null when the passage is no longer available to the viewer. */
  quote: z.string().nullable(),
  available: z.boolean(),
})

export const message = z.object({
  id: z.uuid(),
  position: z.int(),
  role: z.enum(['question', 'answer']),
  /** Of an answer that is being written: what there is of it. */
  text: z.string(),
  createdAt: z.date(),
  attempt: z
    .object({
      id: z.uuid(),
      number: z.int(),
      state: z.enum(ATTEMPT_STATES),
      /** The one that answers, or answered. */
      model: z.string().nullable(),
      /** The one that was to answer; null when that is not known. */
      askedModel: z.string().nullable(),
      error: attemptError.nullable(),
      /** The newest changes may be missing in the answer. */
      behind: z.boolean(),
      /** Why it was searched for by words only; null when nothing was away. */
      wordsOnly: z.enum(['engine-away']).nullable(),
      /** A page's word, without a receipt of the model endpoint: not used in the chat, not to be shared. */
      unverified: z.boolean(),
      /** UTF-16 code units of `text`; `chats.watch` goes on after the event id `number:offset`. */
      offset: z.int(),
    })
    .nullable(),
  citations: z.array(citation),
})
