import { cancelDocument } from '../../library/documents.ts'
import { signedIn } from '../trpc.ts'
import { documentId, done } from './document.ts'

/** Stops the work on the newest version. */
export const cancel = signedIn
  .meta({ access: { document: 'editor' }, resource: 'id' })
  .input(documentId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await cancelDocument(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
