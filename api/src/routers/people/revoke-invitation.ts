import { z } from 'zod'
import { revokeInvitation as revoke } from '../../people/invitations.ts'
import { installationOwner } from '../trpc.ts'

export const revokeInvitation = installationOwner
  .meta({ access: 'installation-owner', resource: 'id' })
  .input(z.object({ id: z.string().max(100) }))
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await revoke(ctx.services, input.id)
    return { ok: true }
  })
