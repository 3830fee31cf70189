import { z } from 'zod'
import { invite as createInvitation } from '../../people/invitations.ts'
import { installationOwner } from '../trpc.ts'
import { emailInput, installationRole } from './inputs.ts'

/** Makes a link for one person; an earlier one for the same address stops working. */
export const invite = installationOwner
  .meta({ access: 'installation-owner' })
  .input(z.object({ email: emailInput, role: installationRole }))
  .output(z.object({ id: z.string(), link: z.string(), expiresAt: z.date() }))
  .mutation(async ({ ctx, input }) => {
    const { id, link, expiresAt } = await createInvitation(ctx.services, ctx.viewer, input)
    return { id, link, expiresAt }
  })
