import { z } from 'zod'
import { getPage } from '../../library/pages.ts'
import { signedIn } from '../trpc.ts'
import { documentId } from './document.ts'

/** The text of one page of the current version. */
export const page = signedIn
  .meta({ access: { document: 'viewer' }, resource: 'id' })
  .input(documentId.extend({ versionId: z.uuid(), number: z.int().min(1).max(2_147_483_647) }))
  .output(z.object({ number: z.int(), text: z.string() }))
  .query(({ ctx, input }) => getPage(ctx.services, ctx.viewer, input))
