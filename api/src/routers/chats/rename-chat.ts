import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { renameChat } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId, done } from './chat.ts'

export const rename = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId.extend({ title: z.string().min(1).max(LIMITS.chatTitleLength) }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await renameChat(ctx.services, ctx.viewer, input.id, input.title)
    return { ok: true }
  })
