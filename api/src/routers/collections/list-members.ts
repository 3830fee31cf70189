import { z } from 'zod'
import { COLLECTION_ROLES } from '../../../../contract/stages.ts'
import { listMembers } from '../../library/members.ts'
import { signedIn } from '../trpc.ts'
import { collectionId } from './collection.ts'

export const members = signedIn
  .meta({ access: { collection: 'viewer' }, resource: 'id' })
  .input(collectionId)
  .output(z.array(z.object({ userId: z.string(), name: z.string(), role: z.enum(COLLECTION_ROLES) })))
  .query(({ ctx, input }) => listMembers(ctx.services, ctx.viewer, input.id))
