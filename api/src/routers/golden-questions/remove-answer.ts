import { z } from 'zod'
import { removeGoldenAnswer } from '../../evaluation/golden.ts'
import { done } from '../collections/collection.ts'
import { signedIn } from '../trpc.ts'

/** A question without a right document goes with its last one. */
export const removeAnswer = signedIn
  .meta({ access: { collection: 'editor' }, resource: 'collectionId' })
  .input(z.object({ collectionId: z.uuid(), id: z.uuid(), documentId: z.uuid() }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await removeGoldenAnswer(ctx.services.pool, ctx.viewer, input)
    return { ok: true }
  })
