import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { renameDocument } from '../../library/documents.ts'
import { signedIn } from '../trpc.ts'
import { documentId, done } from './document.ts'

/** What people see; the file keeps its own name. */
export const rename = signedIn
  .meta({ access: { document: 'editor' }, resource: 'id' })
  .input(documentId.extend({ name: z.string().min(1).max(LIMITS.fileNameLength) }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await renameDocument(ctx.services, ctx.viewer, input.id, input.name)
    return { ok: true }
  })
