import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../../../contract/errors.ts'
import { listGenerations } from '../../generations/generations.ts'
import { PASSAGE_TOKENS } from '../../ingest/reading.ts'
import { installationOwner } from '../trpc.ts'

const generation = z.object({
  id: z.int(),
  /** Of EMBEDDERS; null when it is not there any more. */
  embedderId: z.string().nullable(),
  name: z.string(),
  dimensions: z.int(),
  /** `previous`: kept to go back to. */
  state: z.enum(['active', 'building', 'previous', 'removing']),
  /** Tokens that a passage should have; the number of the parser. */
  passageTokens: z.int(),
  parser: z.int(),
  documents: z.int(),
  /** For this one. */
  documentsRead: z.int(),
  passages: z.int(),
  embedded: z.int(),
  /** Nothing is missing. */
  ready: z.boolean(),
  secondsLeft: z.int().nullable(),
  passagesPerMinute: z.int().nullable(),
  /** Why it stands still. */
  problem: z
    .object({
      code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    })
    .nullable(),
})

/** The search models: what is in use, what can be used, and how far what is built is. */
export const list = installationOwner
  .meta({ access: 'installation-owner' })
  .output(
    z.object({
      generations: z.array(generation).readonly(),
      embedders: z
        .array(
          z.object({
            id: z.string(),
            name: z.string(),
            /** Null for one that runs here. */
            host: z.string().nullable(),
            /** Null where it can't be used. */
            dimensions: z.int().nullable(),
            generationId: z.int().nullable(),
          }),
        )
        .readonly(),
      /** What can be chosen. */
      passageTokens: z.array(z.literal(PASSAGE_TOKENS)).readonly(),
      /** Of this build. */
      parser: z.int(),
      /** Whose vectors this server's searches go by at this moment. */
      searchedId: z.int().nullable(),
    }),
  )
  .query(({ ctx }) => listGenerations({ ...ctx.services, viewer: ctx.viewer }))
