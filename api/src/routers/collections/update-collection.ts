import { updateCollection } from '../../library/collections.ts'
import { signedIn } from '../trpc.ts'
import { collectionDescription, collectionId, collectionName, done } from './collection.ts'

export const update = signedIn
  .meta({ access: { collection: 'owner' }, resource: 'id' })
  .input(
    collectionId.extend({ name: collectionName.optional(), description: collectionDescription.optional() }),
  )
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await updateCollection(ctx.services, ctx.viewer, input.id, input)
    return { ok: true }
  })
