import { z } from 'zod'
import { listPeople } from '../../people/members.ts'
import { signedIn } from '../trpc.ts'
import { installationRole } from './inputs.ts'

/** Everybody, so that collections can be shared with them. E-mail addresses are for owners and oneself. */
export const list = signedIn
  .meta({ access: 'signed-in' })
  .output(
    z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        email: z.string().nullable(),
        role: installationRole,
        banned: z.boolean(),
      }),
    ),
  )
  .query(({ ctx }) => listPeople(ctx.services, ctx.viewer))
