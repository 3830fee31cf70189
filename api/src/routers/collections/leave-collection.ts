import { leaveCollection } from '../../library/members.ts'
import { signedIn } from '../trpc.ts'
import { collectionId, done } from './collection.ts'

/** Nobody has to stay where somebody else has put them. */
export const leave = signedIn
  .meta({ access: { collection: 'viewer' }, resource: 'id' })
  .input(collectionId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await leaveCollection(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
