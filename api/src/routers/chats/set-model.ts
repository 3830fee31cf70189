import { setChatModel } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId, done, modelId } from './chat.ts'

export const setModel = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId.extend({ model: modelId }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await setChatModel(ctx.services, ctx.viewer, input.id, input.model)
    return { ok: true }
  })
