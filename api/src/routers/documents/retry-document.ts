import { retryDocument } from '../../library/documents.ts'
import { signedIn } from '../trpc.ts'
import { documentId, done } from './document.ts'

/** Begins the work on the newest version again. */
export const retry = signedIn
  .meta({ access: { document: 'editor' }, resource: 'id' })
  .input(documentId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await retryDocument(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
