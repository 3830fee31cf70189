import { router } from '../trpc.ts'
import { acceptInvitation } from './accept-invitation.ts'
import { invitation } from './get-invitation.ts'
import { me } from './get-me.ts'
import { invite } from './invite-person.ts'
import { invitations } from './list-invitations.ts'
import { list } from './list-people.ts'
import { remove } from './remove-person.ts'
import { revokeInvitation } from './revoke-invitation.ts'
import { setRole } from './set-role.ts'
import { updateMe } from './update-me.ts'

export const peopleRouter = router({
  acceptInvitation,
  invitation,
  invitations,
  invite,
  list,
  me,
  remove,
  revokeInvitation,
  setRole,
  updateMe,
})
