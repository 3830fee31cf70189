import { z } from 'zod'
import { listPages } from '../../library/pages.ts'
import { signedIn } from '../trpc.ts'
import { documentId, readingId } from './document.ts'

/**
 * The pages of the current version, or of the one named; a version that is not current shows none. Of the reading that is
 * named while it is kept, or else of the one that searches see.
 */
export const pages = signedIn
  .meta({ access: { document: 'viewer' }, resource: 'id' })
  .input(documentId.extend({ versionId: z.uuid().optional(), readingId: readingId.optional() }))
  .output(
    z.object({
      versionId: z.uuid(),
      /** Of the pages; hand it on to `page`. */
      readingId: z.int(),
      current: z.boolean(),
      mediaType: z.string(),
      pages: z.array(z.object({ number: z.int(), length: z.int() })),
    }),
  )
  .query(({ ctx, input }) => listPages(ctx.services, ctx.viewer, input))
