import { z } from 'zod'
import { listCollections } from '../../library/collections.ts'
import { signedIn } from '../trpc.ts'
import { collectionItem } from './collection.ts'

/** The shared collections that the viewer may see, by name. */
export const list = signedIn
  .meta({ access: 'signed-in' })
  .output(z.array(collectionItem))
  .query(({ ctx }) => listCollections(ctx.services, ctx.viewer))
