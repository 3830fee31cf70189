import { z } from 'zod'
import { needsOwner } from '../../people/setup.ts'
import { anyone } from '../trpc.ts'

/** Whether this installation waits for its owner: the first page sends people to the set-up link then. */
export const status = anyone
  .meta({ access: 'anyone' })
  .output(z.object({ needsOwner: z.boolean() }))
  .query(async ({ ctx }) => ({ needsOwner: await needsOwner(ctx.services.pool) }))
