import { getCollection } from '../../library/collections.ts'
import { signedIn } from '../trpc.ts'
import { collectionId, collectionItem } from './collection.ts'

export const get = signedIn
  .meta({ access: { collection: 'viewer' }, resource: 'id' })
  .input(collectionId)
  .output(collectionItem)
  .query(({ ctx, input }) => getCollection(ctx.services, ctx.viewer, input.id))
