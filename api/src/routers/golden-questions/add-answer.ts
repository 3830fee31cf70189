import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { addGoldenAnswer } from '../../evaluation/golden.ts'
import { signedIn } from '../trpc.ts'

/** "This is the right one": makes the question if it is not there yet. */
export const add = signedIn
  .meta({ access: { collection: 'editor' }, resource: 'collectionId' })
  .input(
    z.object({
      collectionId: z.uuid(),
      question: z.string().trim().min(1).max(LIMITS.questionLength),
      passageId: z.int().positive(),
    }),
  )
  .output(z.object({ id: z.uuid() }))
  .mutation(({ ctx, input }) => addGoldenAnswer(ctx.services.pool, ctx.viewer, input))
