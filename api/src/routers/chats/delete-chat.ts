import { deleteChat } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId, done } from './chat.ts'

/** With the files that were dropped into it. */
export const remove = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId)
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await deleteChat(ctx.services, ctx.viewer, input.id)
    return { ok: true }
  })
