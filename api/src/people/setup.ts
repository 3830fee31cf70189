// The owner's account, by a one-time link: the first one from SETUP_TOKEN, later ones from `npm run owner:reset`.
// A stranger must not win the race on a public address, and of two who hold the link one wins: the settings row
// `owner` is inserted in the account's own transaction, and it can be inserted once.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Config } from '../config.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { createAccount, INSTALLATION, normaliseEmail, preparePassword, setPassword } from './accounts.ts'
import { readResetToken } from './reset-links.ts'
import { announceSessionChange } from './revoke.ts'
import type { Sessions } from './sessions.ts'

const OWNER = 'owner'

/** Whether the set-up link still makes the owner's account. */
export async function needsOwner(db: Queryable): Promise<boolean> {
  const { rows } = await db.query({
    name: 'setup-status',
    text: 'SELECT 1 FROM settings WHERE key = $1',
    values: [OWNER],
  })
  return rows.length === 0
}

export interface OwnerRequest {
  readonly token: string
  readonly name: string
  readonly email: string
  readonly password: string
}

export interface SetupDependencies {
  readonly config: Config
  readonly pool: Pool
  readonly sessions: Sessions
}

/**
 * Creates the owner's account; with a reset link, gives an owner a new password.
 * @throws AppError SETUP_DONE, SETUP_TOKEN_WRONG, PASSWORD_TOO_WEAK, EMAIL_TAKEN
 */
export async function createOwner(deps: SetupDependencies, request: OwnerRequest): Promise<void> {
  const reset = readResetToken(deps.config, request.token)
  if (reset !== null) return resetOwner(deps, request, reset)
  if (!(await needsOwner(deps.pool))) throw new AppError('SETUP_DONE')
  if (!sameText(request.token, deps.config.setupToken)) throw new AppError('SETUP_TOKEN_WRONG')
  const passwordHash = await preparePassword(request.password)
  const { name } = request
  const email = normaliseEmail(request.email)
  await transaction(deps.pool, async (client) => {
    if (!(await makeInstallation(client))) throw new AppError('SETUP_DONE')
    await createAccount(client, { name, email, passwordHash, role: 'owner' })
  })
}

/** @returns false when it was made before: of two who try at once, one waits for the other's commit here */
async function makeInstallation(client: Queryable): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO settings (key, value) VALUES ($1, '{}') ON CONFLICT DO NOTHING`,
    [OWNER],
  )
  await client.query(
    `INSERT INTO organizations (id, name, slug) VALUES ($1, 'Terrace', $1) ON CONFLICT DO NOTHING`,
    [INSTALLATION],
  )
  return rowCount !== 0
}

/** Takes as long for a wrong token as for the right one, whatever their lengths. */
function sameText(given: string, expected: string | undefined): boolean {
  if (expected === undefined) return false
  return timingSafeEqual(
    createHash('sha256').update(given).digest(),
    createHash('sha256').update(expected).digest(),
  )
}

/** The account with this e-mail address becomes an owner with the new password; without one it is created. */
async function resetOwner(
  { pool, sessions }: SetupDependencies,
  request: OwnerRequest,
  resetId: string,
): Promise<void> {
  const passwordHash = await preparePassword(request.password)
  const { name } = request
  const email = normaliseEmail(request.email)
  const userId = await transaction(pool, async (client) => {
    const first = await client.query(
      `INSERT INTO settings (key, value) VALUES ($1, '{}') ON CONFLICT DO NOTHING`,
      [`owner-reset:${resetId}`],
    )
    if (first.rowCount === 0) throw new AppError('SETUP_TOKEN_WRONG')
    // The reset also counts as set-up, should the installation never have had an owner.
    await makeInstallation(client)
    const { rows } = await client.query<{ id: string }>(
      `UPDATE users SET name = $2, role = 'owner', banned = false, updated_at = now() WHERE email = $1 RETURNING id`,
      [email, name],
    )
    const id = rows[0]?.id
    if (id === undefined) return createAccount(client, { name, email, passwordHash, role: 'owner' })
    await setPassword(client, id, passwordHash)
    await client.query(`UPDATE members SET role = 'owner' WHERE user_id = $1`, [id])
    await client.query('DELETE FROM sessions WHERE user_id = $1', [id])
    // Whoever had the account may have made keys, which would outlive the new password.
    await client.query('DELETE FROM api_keys WHERE user_id = $1', [id])
    await announceSessionChange(client, id)
    return id
  })
  sessions.drop(userId)
}
