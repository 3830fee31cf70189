import { relay as relayAnswer } from '../../chat/direct/prepare.ts'
import { signedIn } from '../trpc.ts'
import { attemptId, done } from './chat.ts'

/** The page could not get a first word from the model endpoint: a server writes the answer, `watch` shows it. */
export const relay = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'attemptId' })
  .input(attemptId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await relayAnswer(ctx.services, ctx.viewer, input.attemptId)
    return { ok: true }
  })
