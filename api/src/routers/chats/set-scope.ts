import { setChatScope } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId, done, scope } from './chat.ts'

/** What the chat's next answers range over. Its own collection always counts, unless one document is chosen. */
export const setScope = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId.extend(scope.shape))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await setChatScope(ctx.services, ctx.viewer, input.id, input)
    return { ok: true }
  })
