import { z } from 'zod'
import { listPages } from '../../library/pages.ts'
import { signedIn } from '../trpc.ts'
import { documentId } from './document.ts'

/** The pages of the current version, or of the one named; a version that is not current shows none. */
export const pages = signedIn
  .meta({ access: { document: 'viewer' }, resource: 'id' })
  .input(documentId.extend({ versionId: z.uuid().optional() }))
  .output(
    z.object({
      versionId: z.uuid(),
      current: z.boolean(),
      mediaType: z.string(),
      pages: z.array(z.object({ number: z.int(), length: z.int() })),
    }),
  )
  .query(({ ctx, input }) => listPages(ctx.services, ctx.viewer, input))
