import { z } from 'zod'
import { setRole as set } from '../../people/members.ts'
import { installationOwner } from '../trpc.ts'
import { installationRole, userIdInput } from './inputs.ts'

export const setRole = installationOwner
  .meta({ access: 'installation-owner', resource: 'userId' })
  .input(z.object({ userId: userIdInput, role: installationRole }))
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await set(ctx.services, ctx.viewer, input)
    return { ok: true }
  })
