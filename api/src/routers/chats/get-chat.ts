import { z } from 'zod'
import { getChat } from '../../chat/messages.ts'
import { signedIn } from '../trpc.ts'
import { chatId, message } from './chat.ts'

/** With its messages; quotes are fetched under the viewer's rights of this moment. */
export const get = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'id' })
  .input(chatId)
  .output(
    z.object({
      id: z.uuid(),
      title: z.string(),
      /** Null: the installation's default. */
      model: z.string().nullable(),
      collectionIds: z.array(z.uuid()),
      documentId: z.uuid().nullable(),
      /** The collection of the files dropped into this chat; null until there is one. */
      ownCollectionId: z.uuid().nullable(),
      messages: z.array(message),
    }),
  )
  .query(({ ctx, input }) => getChat(ctx.services, ctx.viewer, input.id))
