import { z } from 'zod'
import { createOwner as create } from '../../people/setup.ts'
import { emailInput, passwordInput, personNameInput } from '../people/inputs.ts'
import { anyone } from '../trpc.ts'

/** Turns the one-time set-up link into the owner's account. The page signs in with it afterwards. */
export const createOwner = anyone
  .meta({ access: 'anyone' })
  .input(
    z.object({
      token: z.string().max(500),
      name: personNameInput,
      email: emailInput,
      password: passwordInput,
    }),
  )
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input }) => {
    await create(ctx.services, input)
    return { ok: true }
  })
