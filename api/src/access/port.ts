// Who is asking. Every inner room is handed a Viewer, never a bare user id: made by http/ from a session,
// it is the only thing that permission checks accept.
// What a viewer may see is asked of the database each time (access/), never cached.
import type { InstallationRole } from '../../../contract/stages.ts'

export interface Viewer {
  readonly userId: string
  readonly sessionId: string
  readonly name: string
  readonly email: string
  /** The role on the installation. An owner of the installation has no rights in others' collections by it. */
  readonly role: InstallationRole
}
