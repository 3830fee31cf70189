import { z } from 'zod'
import { retry as again } from '../../chat/ask.ts'
import { signedIn } from '../trpc.ts'
import { answerId } from './chat.ts'

/** Another attempt at an answer that has ended, with the chat's model as it is now. */
export const retry = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'answerId' })
  .input(answerId)
  .output(z.object({ attemptId: z.uuid() }))
  .mutation(({ ctx, input }) => again(ctx.services, ctx.viewer, input.answerId))
