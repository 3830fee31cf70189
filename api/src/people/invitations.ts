// Invitations by link: the id is the secret (192 random bits), works for 7 days and once. They lie in better-auth's
// own table, so that its organization plugin sees the same ones.
import type { InstallationRole } from '../../../contract/stages.ts'
import type { Viewer } from '../access/port.ts'
import type { Config } from '../config.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { createAccount, INSTALLATION, newId, normaliseEmail, preparePassword } from './accounts.ts'

export const INVITATION_DAYS = 7

export interface Invitation {
  readonly id: string
  readonly email: string
  readonly role: InstallationRole
  readonly link: string
  readonly expiresAt: Date
}

export interface InvitationDependencies {
  readonly config: Config
  readonly pool: Pool
}

/** An earlier link for the same address stops working. @throws AppError EMAIL_TAKEN */
export async function invite(
  { config, pool }: InvitationDependencies,
  viewer: Viewer,
  request: { email: string; role: InstallationRole },
): Promise<Invitation> {
  const email = normaliseEmail(request.email)
  return transaction(pool, async (client) => {
    const taken = await client.query('SELECT 1 FROM users WHERE email = $1', [email])
    if (taken.rowCount !== 0) throw new AppError('EMAIL_TAKEN')
    await client.query(`UPDATE invitations SET status = 'canceled' WHERE email = $1 AND status = 'pending'`, [
      email,
    ])
    const { rows } = await client.query<InvitationRow>(
      `INSERT INTO invitations (id, organization_id, email, role, status, expires_at, inviter_id)
       VALUES ($1, $2, $3, $4, 'pending', now() + $5 * interval '1 day', $6)
       RETURNING id, email, role, expires_at`,
      [newId(), INSTALLATION, email, request.role, INVITATION_DAYS, viewer.userId],
    )
    const row = rows[0]
    if (row === undefined) throw new Error('the invitation was not returned')
    return toInvitation(config, row)
  })
}

interface InvitationRow {
  id: string
  email: string
  role: string | null
  expires_at: Date
}

function toInvitation(config: Config, row: InvitationRow): Invitation {
  return {
    id: row.id,
    email: row.email,
    role: row.role === 'owner' ? 'owner' : 'member',
    link: `${config.publicUrl}/invite/${row.id}`,
    expiresAt: row.expires_at,
  }
}

/** One as owner works only while its inviter is an owner: a demoted one must not come back by it. */
const OPEN = `status = 'pending' AND expires_at > now() AND (role IS DISTINCT FROM 'owner' OR inviter_id IN (
  SELECT users.id FROM users WHERE users.role = 'owner' AND NOT coalesce(users.banned, false)))`

/** Those that still work, the newest first. */
export async function listInvitations({ config, pool }: InvitationDependencies): Promise<Invitation[]> {
  const { rows } = await pool.query<InvitationRow>(
    `SELECT id, email, role, expires_at FROM invitations WHERE ${OPEN} ORDER BY created_at DESC LIMIT 1000`,
  )
  return rows.map((row) => toInvitation(config, row))
}

/** @throws AppError NOT_FOUND when there is no such open invitation */
export async function revokeInvitation({ pool }: { pool: Pool }, id: string): Promise<void> {
  const { rowCount } = await pool.query(
    `UPDATE invitations SET status = 'canceled' WHERE id = $1 AND ${OPEN}`,
    [id],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
}

/** What the invited person is shown before accepting. @throws AppError INVITATION_INVALID */
export async function findInvitation(
  { pool }: { pool: Queryable },
  id: string,
): Promise<{ email: string; invitedBy: string }> {
  const { rows } = await pool.query<{ email: string; invitedBy: string }>(
    `SELECT email, (SELECT name FROM users WHERE users.id = inviter_id) AS "invitedBy" FROM invitations
     WHERE id = $1 AND ${OPEN}`,
    [id],
  )
  const found = rows[0]
  if (found === undefined) throw new AppError('INVITATION_INVALID')
  return found
}

/**
 * Makes the invited person's account. Of two who hold the link, one wins: the row is locked by the update.
 * @throws AppError INVITATION_INVALID, PASSWORD_TOO_WEAK, EMAIL_TAKEN
 */
export async function acceptInvitation(
  { pool }: { pool: Pool },
  request: { id: string; name: string; password: string },
): Promise<{ email: string }> {
  await findInvitation({ pool }, request.id)
  const passwordHash = await preparePassword(request.password)
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ email: string; role: string | null }>(
      `UPDATE invitations SET status = 'accepted' WHERE id = $1 AND ${OPEN} RETURNING email, role`,
      [request.id],
    )
    const row = rows[0]
    if (row === undefined) throw new AppError('INVITATION_INVALID')
    const role = row.role === 'owner' ? 'owner' : 'member'
    await createAccount(client, { name: request.name, email: row.email, passwordHash, role })
    return { email: row.email }
  })
}
