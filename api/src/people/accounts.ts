// An account is a user, its password (hashed by better-auth's scrypt), and its membership in the one organization that
// is the installation. Whoever creates one has checked a set-up or an invitation link first.
import { randomBytes } from 'node:crypto'
import { hashPassword } from 'better-auth/crypto'
import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import type { InstallationRole } from '../../../contract/stages.ts'
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'

/** The one organization's id, its row is made with the owner's account. */
export const INSTALLATION = 'installation'

/** An id that can not be guessed: 192 random bits. */
export function newId(): string {
  return randomBytes(24).toString('base64url')
}

/** E-mail addresses are compared as better-auth does: in lower case. */
export function normaliseEmail(email: string): string {
  return email.trim().toLowerCase()
}

/** About 100 ms of work on a thread of its own. @throws AppError PASSWORD_TOO_WEAK */
export async function preparePassword(password: string): Promise<string> {
  if (password.length < LIMITS.passwordMinLength || password.length > LIMITS.passwordMaxLength)
    throw new AppError('PASSWORD_TOO_WEAK', { min: LIMITS.passwordMinLength })
  return hashPassword(password)
}

export interface NewAccount {
  readonly name: string
  /** Normalised. */
  readonly email: string
  /** From `preparePassword`. */
  readonly passwordHash: string
  readonly role: InstallationRole
}

/** Call it in a transaction. @returns the user's id. @throws AppError EMAIL_TAKEN */
export async function createAccount(client: Queryable, account: NewAccount): Promise<string> {
  const id = newId()
  try {
    await client.query(
      `INSERT INTO users (id, name, email, email_verified, role) VALUES ($1, $2, $3, false, $4)`,
      [id, account.name, account.email, account.role],
    )
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '23505')
      throw new AppError('EMAIL_TAKEN', {}, { cause: error })
    throw error
  }
  await setPassword(client, id, account.passwordHash)
  await client.query('INSERT INTO members (id, organization_id, user_id, role) VALUES ($1, $2, $3, $4)', [
    newId(),
    INSTALLATION,
    id,
    account.role,
  ])
  return id
}

/** Makes or replaces a user's password. Sessions stay: end them where that is wanted. */
export async function setPassword(client: Queryable, userId: string, passwordHash: string): Promise<void> {
  const { rowCount } = await client.query(
    `UPDATE accounts SET password = $2, updated_at = now() WHERE user_id = $1 AND provider_id = 'credential'`,
    [userId, passwordHash],
  )
  if (rowCount !== 0) return
  await client.query(
    `INSERT INTO accounts (id, account_id, provider_id, user_id, password, updated_at)
     VALUES ($1, $2, 'credential', $2, $3, now())`,
    [newId(), userId, passwordHash],
  )
}
