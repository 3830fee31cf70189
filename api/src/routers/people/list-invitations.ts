import { z } from 'zod'
import { listInvitations } from '../../people/invitations.ts'
import { installationOwner } from '../trpc.ts'
import { installationRole } from './inputs.ts'

/** The links that still work. */
export const invitations = installationOwner
  .meta({ access: 'installation-owner' })
  .output(
    z.array(
      z.object({
        id: z.string(),
        email: z.string(),
        role: installationRole,
        link: z.string(),
        expiresAt: z.date(),
      }),
    ),
  )
  .query(({ ctx }) => listInvitations(ctx.services))
