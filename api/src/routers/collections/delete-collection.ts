import { deleteCollection } from '../../library/collections.ts'
import { signedIn } from '../trpc.ts'
import { collectionId, done } from './collection.ts'

/** With everything in it; its text leaves answers at once. */
export const remove = signedIn
  .meta({ access: { collection: 'owner' }, resource: 'id' })
  .input(collectionId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await deleteCollection(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
