import { z } from 'zod'
import { getPage } from '../../library/pages.ts'
import { signedIn } from '../trpc.ts'
import { documentId, readingId } from './document.ts'

/** The text of one page of the current version, of the reading that `pages` would list. */
export const page = signedIn
  .meta({ access: { document: 'viewer' }, resource: 'id' })
  .input(
    documentId.extend({
      versionId: z.uuid(),
      readingId: readingId.optional(),
      number: z.int().min(1).max(2_147_483_647),
    }),
  )
  .output(z.object({ number: z.int(), readingId: z.int(), text: z.string() }))
  .query(({ ctx, input }) => getPage(ctx.services, ctx.viewer, input))
