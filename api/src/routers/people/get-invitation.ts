import { z } from 'zod'
import { findInvitation } from '../../people/invitations.ts'
import { anyone } from '../trpc.ts'

/** For the page behind an invitation link: whoever holds the link may know whom it is for. */
export const invitation = anyone
  .meta({ access: 'anyone' })
  .input(z.object({ id: z.string().max(100) }))
  .output(z.object({ email: z.string(), invitedBy: z.string() }))
  .query(({ ctx, input }) => findInvitation(ctx.services, input.id))
