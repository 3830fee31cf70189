import { z } from 'zod'
import { ask as takeQuestion } from '../../chat/ask.ts'
import { signedIn } from '../trpc.ts'
import { modelId } from './chat.ts'

/** Stores the question and begins its answer, which `watch` shows. The same `requestId` again asks nothing twice. */
export const ask = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'chatId' })
  .input(
    z.object({
      chatId: z.uuid(),
      // Its length is checked inside, for an error that says what to do.
      text: z.string(),
      model: modelId.optional(),
      requestId: z.uuid(),
    }),
  )
  .output(z.object({ questionId: z.uuid(), answerId: z.uuid(), attemptId: z.uuid() }))
  .mutation(({ ctx, input }) => takeQuestion(ctx.services, ctx.viewer, input))
