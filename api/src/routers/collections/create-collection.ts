import { z } from 'zod'
import { createCollection } from '../../library/collections.ts'
import { signedIn } from '../trpc.ts'
import { collectionDescription, collectionId, collectionName } from './collection.ts'

/** The creator becomes the owner. */
export const create = signedIn
  .meta({ access: 'signed-in' })
  .input(z.object({ name: collectionName, description: collectionDescription.optional() }))
  .output(collectionId)
  .mutation(({ ctx, input }) => createCollection(ctx.services, ctx.viewer, input))
