import { z } from 'zod'
import { acceptInvitation as accept } from '../../people/invitations.ts'
import { anyone } from '../trpc.ts'
import { passwordInput, personNameInput } from './inputs.ts'

/** Makes the invited person's account. The page signs in with it afterwards. */
export const acceptInvitation = anyone
  .meta({ access: 'anyone' })
  .input(z.object({ id: z.string().max(100), name: personNameInput, password: passwordInput }))
  .output(z.object({ email: z.string() }))
  .mutation(({ ctx, input }) => accept(ctx.services, input))
