import { z } from 'zod'
import { switchGeneration } from '../../generations/change.ts'
import { installationOwner } from '../trpc.ts'
import { generationInput } from './inputs.ts'

/** Searches go by this search model from now on: a built one, or the one before. */
export const switchTo = installationOwner
  .meta({ access: 'installation-owner' })
  .input(generationInput)
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await switchGeneration(ctx.services, input.id)
    return { ok: true }
  })
