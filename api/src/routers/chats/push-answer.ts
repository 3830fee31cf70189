import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { storable } from '../../chat/clean.ts'
import { findPageAttempt, pushText } from '../../chat/direct/page-attempts.ts'
import { waitForWords } from '../../chat/measure.ts'
import { signedIn } from '../trpc.ts'
import { attemptId } from './chat.ts'

/** What a page has shown of the answer that it gets itself, or nothing: it is still there. Every 5 s at the latest. */
export const push = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'attemptId' })
  .input(
    attemptId.extend({
      /** Offset of `text` in the answer, in UTF-16 code units. */
      start: z.int().min(0).max(LIMITS.pageAnswerLength),
      text: z.string().max(LIMITS.pageAnswerLength),
    }),
  )
  .output(
    z.object({
      /** False: the answer is not this page's any more. */
      owned: z.boolean(),
      /** Somebody asked to stop it. */
      stop: z.boolean(),
      /** It was given up, since the page was not heard of: nothing in parts is taken any more, the whole answer is. */
      late: z.boolean(),
    }),
  )
  .mutation(async ({ ctx, input }) => {
    const { pool, metrics } = ctx.services
    const { id, askedAt } = await findPageAttempt(pool, ctx.viewer, input.attemptId)
    const text = storable(input.text)
    const pushed = await pushText(pool, id, { start: input.start, text, longest: LIMITS.pageAnswerLength })
    if (pushed.first) waitForWords(metrics, askedAt).shown(text)
    return pushed
  })
