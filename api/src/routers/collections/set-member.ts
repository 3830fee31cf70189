import { z } from 'zod'
import { COLLECTION_ROLES } from '../../../../contract/stages.ts'
import { setMember } from '../../library/members.ts'
import { signedIn } from '../trpc.ts'
import { collectionId, done } from './collection.ts'

/** Adds a person, or changes the role of one. */
export const setMemberRole = signedIn
  .meta({ access: { collection: 'owner' }, resource: 'id' })
  .input(collectionId.extend({ userId: z.string().min(1).max(100), role: z.enum(COLLECTION_ROLES) }))
  .output(done)
  .mutation(async ({ ctx, input }) => {
    const { id, userId, role } = input
    await setMember(ctx.services, ctx.viewer, { collectionId: id, userId, role })
    return { ok: true }
  })
