import { z } from 'zod'
import { watchAnswer } from '../../chat/watch.ts'
import { signedIn } from '../trpc.ts'
import { answerId } from './chat.ts'

/**
 * An answer as it is written, until its end; tracked ids `ATTEMPT:OFFSET`.
 * The output is not parsed by a schema: it is our own, twenty times a second, to many.
 */
export const watch = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'answerId' })
  .input(answerId.extend({ lastEventId: z.string().max(50).nullish() }))
  .subscription(async function* ({ ctx, input, signal }) {
    const until = signal ?? new AbortController().signal
    yield* watchAnswer(ctx.services, ctx.viewer, input.answerId, input.lastEventId ?? null, until)
  })
