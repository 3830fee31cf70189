import { z } from 'zod'
import { listGoldenQuestions } from '../../evaluation/golden.ts'
import { signedIn } from '../trpc.ts'

const answer = z.object({
  documentId: z.uuid(),
  documentName: z.string(),
  versionId: z.uuid(),
  readingId: z.int(),
  page: z.int(),
  charStart: z.int(),
  charEnd: z.int(),
})

export const list = signedIn
  .meta({ access: { collection: 'viewer' }, resource: 'collectionId' })
  .input(z.object({ collectionId: z.uuid() }))
  .output(z.array(z.object({ id: z.uuid(), text: z.string(), answers: z.array(answer).readonly() })))
  .query(({ ctx, input }) => listGoldenQuestions(ctx.services.pool, ctx.viewer, input.collectionId))
