import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { makeKey } from '../../people/keys.ts'
import { personNameInput } from '../people/inputs.ts'
import { signedIn } from '../trpc.ts'
import { keyScope } from './key.ts'

/** The key is shown this once. */
export const create = signedIn
  .meta({ access: 'signed-in', resource: 'collectionIds' })
  .input(
    z.object({
      name: personNameInput,
      scopes: z.array(keyScope).min(1).max(10),
      collectionIds: z.array(z.uuid()).min(1).max(LIMITS.collectionsPerKey).optional(),
      expiresInDays: z.number().int().min(1).max(365).optional(),
    }),
  )
  .output(z.object({ id: z.string(), key: z.string() }))
  .mutation(({ ctx, input }) => makeKey(ctx.services, ctx.viewer, input))
