import { z } from 'zod'
import { buildGeneration } from '../../generations/change.ts'
import { installationOwner } from '../trpc.ts'

/** Begins vectors of another search model, beside those in use. */
export const build = installationOwner
  .meta({ access: 'installation-owner' })
  .input(z.object({ embedderId: z.string().min(1).max(100) }))
  .output(z.object({ id: z.int() }))
  .mutation(async ({ ctx, input }) => ({ id: await buildGeneration(ctx.services, input.embedderId) }))
