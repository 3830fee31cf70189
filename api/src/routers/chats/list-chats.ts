import { z } from 'zod'
import { listChats } from '../../chat/chats.ts'
import { listing } from '../trpc.ts'

/** The viewer's chats, the one that was last used first. */
export const list = listing
  .meta({ access: 'signed-in' })
  .input(z.object({ cursor: z.string().max(100).optional(), limit: z.int().min(1).max(100).default(30) }))
  .output(
    z.object({
      items: z.array(
        z.object({
          id: z.uuid(),
          /** Empty until the first question. */
          title: z.string(),
          updatedAt: z.date(),
          /** An answer is being written. */
          answering: z.boolean(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
  )
  .query(({ ctx, input }) => listChats({ reads: ctx.reads }, ctx.viewer, input))
