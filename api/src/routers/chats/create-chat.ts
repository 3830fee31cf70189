import { createChat } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId, modelId, scope } from './chat.ts'

/** A chat without messages. Its scope and model can be changed later. */
export const create = signedIn
  .meta({ access: 'signed-in' })
  .input(scope.extend({ model: modelId.optional() }))
  .output(chatId)
  .mutation(({ ctx, input }) => createChat(ctx.services, ctx.viewer, input))
