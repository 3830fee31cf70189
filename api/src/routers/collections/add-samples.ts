import { z } from 'zod'
import { addSamples as add } from '../../library/samples.ts'
import { signedIn } from '../trpc.ts'
import { collectionId } from './collection.ts'

/** Puts Terrace's own documentation into the collection. */
export const addSamples = signedIn
  .meta({ access: { collection: 'editor' }, resource: 'id' })
  .input(collectionId)
  .output(z.object({ documents: z.int() }))
  .mutation(({ ctx, input }) => add(ctx.services, ctx.viewer, input.id))
