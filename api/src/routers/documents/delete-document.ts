import { deleteDocument } from '../../library/documents.ts'
import { signedIn } from '../trpc.ts'
import { documentId, done } from './document.ts'

/** Its text leaves answers at once. */
export const remove = signedIn
  .meta({ access: { document: 'editor' }, resource: 'id' })
  .input(documentId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await deleteDocument(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
