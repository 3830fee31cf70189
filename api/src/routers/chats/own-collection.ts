import { z } from 'zod'
import { ownCollection as own } from '../../chat/chats.ts'
import { signedIn } from '../trpc.ts'
import { chatId } from './chat.ts'

/** Where files that are dropped into the chat are uploaded to; made when it is first asked for. */
export const ownCollection = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId)
  .output(z.object({ collectionId: z.uuid() }))
  .mutation(({ ctx, input }) => own(ctx.services, ctx.viewer, input.id))
