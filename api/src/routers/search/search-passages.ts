import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { AppError } from '../../errors.ts'
import { searchPassages } from '../../retrieval/search.ts'
import { signedIn } from '../trpc.ts'

const input = z.object({
  // Longer ones are refused with a code of their own.
  query: z.string().trim().min(1),
  collectionIds: z.array(z.uuid()).max(LIMITS.collectionsPerChat).optional(),
  documentId: z.uuid().optional(),
  limit: z.int().min(1).max(LIMITS.searchResults).optional(),
  /** By words or by meaning alone: to see what either finds by itself. */
  method: z.enum(['fused', 'words', 'meaning']).optional(),
})

const hit = z.object({
  passageId: z.int(),
  documentId: z.uuid(),
  documentName: z.string(),
  versionId: z.uuid(),
  readingId: z.int(),
  collectionId: z.uuid(),
  page: z.int(),
  charStart: z.int(),
  charEnd: z.int(),
  heading: z.string(),
  text: z.string(),
  score: z.number(),
  cosine: z.number().nullable(),
  words: z.number(),
  withoutVector: z.boolean(),
})

/** Passages with their scores, from every collection that the person may see unless some are named. */
export const passages = signedIn
  .meta({ access: 'signed-in' })
  .input(input)
  .output(
    z.object({
      mode: z.enum(['words+meaning', 'words', 'meaning']),
      passages: z.array(hit).readonly(),
      searchedCollections: z.int(),
      behind: z.boolean(),
      /** Why only words ranked though meaning was asked for, too. Null: nothing was away. */
      wordsOnly: z.enum(['engine-away']).nullable(),
    }),
  )
  .query(({ ctx, input: { query, limit, method, ...scope }, signal }) => {
    if (query.length > LIMITS.questionLength)
      throw new AppError('QUESTION_TOO_LONG', { limit: LIMITS.questionLength })
    const request = {
      ...{ query, seen: ctx.seen, ...scope },
      ...(limit === undefined ? {} : { limit }),
      ...(method === undefined ? {} : { method }),
    }
    return searchPassages(ctx.services, ctx.viewer, request, signal)
  })
