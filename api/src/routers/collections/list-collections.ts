import { z } from 'zod'
import { listCollections } from '../../library/collections.ts'
import { listing } from '../trpc.ts'
import { collectionItem } from './collection.ts'

/** The shared collections that the viewer may see, by name. */
export const list = listing
  .meta({ access: 'signed-in' })
  .output(z.array(collectionItem))
  .query(({ ctx }) => listCollections({ pool: ctx.services.pool, reads: ctx.reads }, ctx.viewer))
