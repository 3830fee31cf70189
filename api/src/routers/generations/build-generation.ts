import { z } from 'zod'
import { buildGeneration } from '../../generations/change.ts'
import { PASSAGE_TOKENS } from '../../ingest/reading.ts'
import { installationOwner } from '../trpc.ts'

/** Begins vectors of another search model, or of documents read in another way, beside those in use. */
export const build = installationOwner
  .meta({ access: 'installation-owner' })
  .input(
    z.object({
      embedderId: z.string().min(1).max(100),
      /** Tokens that a passage should have; default: as now. */
      passageTokens: z.literal(PASSAGE_TOKENS).optional(),
    }),
  )
  .output(z.object({ id: z.int() }))
  .mutation(async ({ ctx, input }) => ({
    id: await buildGeneration(ctx.services, input.embedderId, input.passageTokens),
  }))
