import { z } from 'zod'
import { checkGoldenQuestion } from '../../evaluation/check.ts'
import { MEASURES } from '../../evaluation/measures.ts'
import { signedIn } from '../trpc.ts'

const method = z.object({
  /** Of the first right document among the first 20, from 1. */
  rank: z.int().nullable(),
  measures: z.record(z.enum(MEASURES), z.number()),
})

/** Asks it by each method, now. Null when the question or all of its right documents are gone. */
export const check = signedIn
  .meta({ access: { collection: 'viewer' }, resource: 'collectionId' })
  .input(z.object({ collectionId: z.uuid(), id: z.uuid() }))
  .output(
    z
      .object({
        ...{ words: method, meaning: method.nullable(), fused: method },
        /** Why only words were searched though more was asked. Null: they were not. */
        wordsOnly: z.enum(['engine-away']).nullable(),
      })
      .nullable(),
  )
  .query(({ ctx, input, signal }) =>
    checkGoldenQuestion(ctx.services, ctx.viewer, input.collectionId, input.id, signal),
  )
