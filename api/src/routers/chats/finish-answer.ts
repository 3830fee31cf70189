import { z } from 'zod'
import { ENDPOINT_ERRORS, type EndpointErrorCode } from '../../../../contract/endpoint-errors.ts'
import { LIMITS } from '../../../../contract/limits.ts'
import { finish as finishAnswer } from '../../chat/direct/finish.ts'
import { signedIn } from '../trpc.ts'
import { attemptId, done } from './chat.ts'

const code = z.enum(Object.keys(ENDPOINT_ERRORS) as [EndpointErrorCode, ...EndpointErrorCode[]])

/** Ends an answer that a page got itself; the same again changes nothing. */
export const finish = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'attemptId' })
  .input(
    attemptId.extend({
      /** As the model wrote it: the receipt is of this. */
      text: z.string().max(LIMITS.pageAnswerLength),
      /** As the endpoint signed it; null when it came to none. */
      receipt: z.string().max(LIMITS.receiptLength).nullable(),
      ending: z.enum(['done', 'stopped', 'failed']),
      /** What the endpoint said when it failed; one that this build does not know counts as broken off. */
      code: code.optional().catch(undefined),
    }),
  )
  .output(done)
  .mutation(async ({ ctx, input }) => {
    const { attemptId: id, ...brought } = input
    await finishAnswer(ctx.services, ctx.viewer, id, brought)
    return { ok: true }
  })
