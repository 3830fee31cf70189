import { z } from 'zod'
import { removeGoldenQuestion } from '../../evaluation/golden.ts'
import { done } from '../collections/collection.ts'
import { signedIn } from '../trpc.ts'

export const remove = signedIn
  .meta({ access: { collection: 'editor' }, resource: 'collectionId' })
  .input(z.object({ collectionId: z.uuid(), id: z.uuid() }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await removeGoldenQuestion(ctx.services.pool, ctx.viewer, input.collectionId, input.id)
    return { ok: true }
  })
