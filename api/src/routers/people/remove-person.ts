import { z } from 'zod'
import { removePerson } from '../../people/members.ts'
import { installationOwner } from '../trpc.ts'
import { userIdInput } from './inputs.ts'

/** Deletes an account with its sessions and chats; shared collections stay. */
export const remove = installationOwner
  .meta({ access: 'installation-owner', resource: 'userId' })
  .input(z.object({ userId: userIdInput }))
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await removePerson(ctx.services, ctx.viewer, input.userId)
    return { ok: true }
  })
