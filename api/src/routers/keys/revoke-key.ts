import { z } from 'zod'
import { revokeKey } from '../../people/keys.ts'
import { signedIn } from '../trpc.ts'

/** One's own; what it has under way ends. */
export const revoke = signedIn
  .meta({ access: 'signed-in', resource: 'id' })
  .input(z.object({ id: z.string().max(100) }))
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await revokeKey(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
