import { z } from 'zod'
import { renameMe } from '../../people/members.ts'
import { signedIn } from '../trpc.ts'
import { personNameInput } from './inputs.ts'

export const updateMe = signedIn
  .meta({ access: 'signed-in' })
  .input(z.object({ name: personNameInput }))
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await renameMe(ctx.services, ctx.viewer, input.name)
    return { ok: true }
  })
