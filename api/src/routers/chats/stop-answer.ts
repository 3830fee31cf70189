import { stop as stopAnswer } from '../../chat/ask.ts'
import { signedIn } from '../trpc.ts'
import { answerId, done } from './chat.ts'

/** Stops the model, on whichever server it is being read; what had arrived is kept. */
export const stop = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'answerId' })
  .input(answerId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await stopAnswer(ctx.services, ctx.viewer, input.answerId)
    return { ok: true }
  })
