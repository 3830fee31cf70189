import { z } from 'zod'
import { getDocument } from '../../library/documents.ts'
import { signedIn } from '../trpc.ts'
import { documentId, documentItem, versionItem } from './document.ts'

/** With all its versions, newest first. */
export const get = signedIn
  .meta({ access: { document: 'viewer' }, resource: 'id' })
  .input(documentId)
  .output(documentItem.extend({ versions: z.array(versionItem) }))
  .query(({ ctx, input }) => getDocument(ctx.services, ctx.viewer, input.id))
