import { z } from 'zod'
import { listDocuments } from '../../library/documents.ts'
import { listing } from '../trpc.ts'
import { documentItem } from './document.ts'

/** Newest first; `search` looks into names. */
export const list = listing
  .meta({ access: { collection: 'viewer' }, resource: 'collectionId' })
  .input(
    z.object({
      collectionId: z.uuid(),
      search: z.string().max(200).optional(),
      cursor: z.uuid().optional(),
      limit: z.int().min(1).max(100).default(50),
    }),
  )
  .output(z.object({ items: z.array(documentItem), nextCursor: z.uuid().nullable() }))
  .query(({ ctx, input }) => listDocuments({ pool: ctx.services.pool, reads: ctx.reads }, ctx.viewer, input))
