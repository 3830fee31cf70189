import { z } from 'zod'
import { removeGeneration } from '../../generations/change.ts'
import { installationOwner } from '../trpc.ts'
import { generationInput } from './inputs.ts'

/** Cancels what is built, or gives up the search model before. Its vectors go in the background. */
export const remove = installationOwner
  .meta({ access: 'installation-owner' })
  .input(generationInput)
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await removeGeneration(ctx.services, input.id)
    return { ok: true }
  })
