import { z } from 'zod'
import { revokeKeysOf } from '../../people/keys.ts'
import { userIdInput } from '../people/inputs.ts'
import { installationOwner } from '../trpc.ts'

/** All keys of a person. */
export const revokeAll = installationOwner
  .meta({ access: 'installation-owner', resource: 'userId' })
  .input(z.object({ userId: userIdInput }))
  .output(z.object({ revoked: z.number() }))
  .mutation(({ ctx, input }) => revokeKeysOf(ctx.services, input.userId))
