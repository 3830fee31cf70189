import { z } from 'zod'
import { ask as takeQuestion } from '../../chat/ask.ts'
import { signedIn } from '../trpc.ts'
import { direct, modelId } from './chat.ts'

/** Stores the question and begins its answer, which `watch` shows; or leaves it to the page (`direct`), which goes on with `prepare`. The same `requestId` again asks nothing twice. */
export const ask = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'chatId' })
  .input(
    z.object({
      chatId: z.uuid(),
      // Its length is checked inside, for an error that says what to do.
      text: z.string(),
      model: modelId.optional(),
      requestId: z.uuid(),
      direct,
    }),
  )
  .output(z.object({ questionId: z.uuid(), answerId: z.uuid(), attemptId: z.uuid(), direct: z.boolean() }))
  .mutation(({ ctx, input }) => takeQuestion(ctx.services, ctx.viewer, input))
