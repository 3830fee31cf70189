import { z } from 'zod'
import { DUPLICATE_ANSWERS, resolveDuplicate as resolve } from '../../library/duplicates.ts'
import { signedIn } from '../trpc.ts'
import { documentId } from './document.ts'

/** Answers what to do with a file that is there already; `documentId` is where it is now. */
export const resolveDuplicate = signedIn
  .meta({ access: { document: 'editor' }, resource: 'id' })
  .input(documentId.extend({ choice: z.enum(DUPLICATE_ANSWERS) }))
  .output(z.object({ documentId: z.string() }))
  .mutation(({ ctx, input }) => resolve(ctx.services, ctx.viewer, input.id, input.choice))
