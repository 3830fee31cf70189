import { z } from 'zod'
import { removeMember } from '../../library/members.ts'
import { signedIn } from '../trpc.ts'
import { collectionId, done } from './collection.ts'

export const dropMember = signedIn
  .meta({ access: { collection: 'owner' }, resource: 'id' })
  .input(collectionId.extend({ userId: z.string().min(1).max(100) }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    await removeMember(ctx.services, ctx.viewer, { collectionId: input.id, userId: input.userId })
    return { ok: true }
  })
