import { z } from 'zod'
import { retry as again } from '../../chat/ask.ts'
import { signedIn } from '../trpc.ts'
import { answerId, direct } from './chat.ts'

/** Another attempt at an answer that has ended, with the chat's model as it is now. */
export const retry = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'answerId' })
  .input(answerId.extend({ direct }))
  .output(z.object({ attemptId: z.uuid(), direct: z.boolean() }))
  .mutation(({ ctx, input }) => again(ctx.services, ctx.viewer, input.answerId, input.direct))
