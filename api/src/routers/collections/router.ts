// Collections: what documents lie in and what is shared. Who may do what is asked by library/, with every call.
import { router } from '../trpc.ts'
import { addSamples } from './add-samples.ts'
import { create } from './create-collection.ts'
import { remove } from './delete-collection.ts'
import { get } from './get-collection.ts'
import { leave } from './leave-collection.ts'
import { list } from './list-collections.ts'
import { members } from './list-members.ts'
import { dropMember } from './remove-member.ts'
import { setMemberRole } from './set-member.ts'
import { update } from './update-collection.ts'

export const collectionsRouter = router({
  list,
  get,
  create,
  update,
  delete: remove,
  members,
  setMember: setMemberRole,
  removeMember: dropMember,
  leave,
  addSamples,
})
