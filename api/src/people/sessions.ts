// Who a request's cookie belongs to. Asked on every request, so it is kept for at most 10 s a session; entries are
// dropped at once when the index's log says that a person signed out, changed roles or was removed.
// What that person may see is never kept here (access/collections.ts).
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { InstallationRole } from '../../../contract/stages.ts'
import type { Viewer } from '../access/port.ts'
import type { Config } from '../config.ts'
import { BRIEF_MS, type Queryable, within } from '../database/pool.ts'
import { SESSION_RENEWAL_SECONDS, SESSION_SECONDS, sessionCookieName } from './auth.ts'

const KEEP_MS = 10_000
const KEEP_AT_MOST = 10_000

export interface FoundSession {
  readonly viewer: Viewer
  /** A Set-Cookie value when the session was just renewed: pass it on. */
  readonly setCookie?: string
}

export interface Sessions {
  /**
   * @param renew whether a cookie can be sent with the reply: an old session is renewed only then
   * @returns null without a cookie, with a forged one, and with a session that ended or expired
   */
  find(cookieHeader: string | undefined, renew?: boolean): Promise<FoundSession | null>
  /** Forgets what is kept of a person's sessions. */
  drop(userId: string): void
  /** Calls `listener` after each drop. @returns what ends that */
  onDrop(listener: (userId: string) => void): () => void
}

interface Kept {
  readonly viewer: Viewer
  readonly until: number
}

interface SessionRow {
  id: string
  user_id: string
  expires_at: Date
  name: string
  email: string
  role: string | null
}

export function createSessions(config: Config, db: Queryable): Sessions {
  const name = sessionCookieName(config)
  const kept = new Map<string, Kept>()
  const asking = new Map<string, Promise<FoundSession | null>>()
  /** A lookup that began before a drop must not be kept after it. */
  let drops = 0
  const listeners = new Set<(userId: string) => void>()

  async function look(cookie: string, cookieHeader: string, renew: boolean): Promise<FoundSession | null> {
    const token = verifiedToken(cookie, config.authSecret)
    if (token === null) return null
    const before = drops
    // What most requests ask first, and so what finds out that a connection of the pool is dead.
    const { rows } = await db.query<SessionRow>(
      within(BRIEF_MS, {
        name: 'session',
        text: `SELECT s.id, s.user_id, s.expires_at, u.name, u.email, u.role
               FROM sessions s JOIN users u ON u.id = s.user_id
               WHERE s.token = $1 AND s.expires_at > now()
                 AND NOT (coalesce(u.banned, false) AND coalesce(u.ban_expires, 'infinity') > now())`,
        values: [token],
      }),
    )
    // What was read may be older than the change that the drop speaks of, and whoever opens a stream keeps it.
    if (before !== drops) return look(cookie, cookieHeader, renew)
    const row = rows[0]
    if (row === undefined) return null
    const role: InstallationRole = row.role === 'owner' ? 'owner' : 'member'
    const viewer = { userId: row.user_id, sessionId: row.id, name: row.name, email: row.email, role }
    const left = row.expires_at.getTime() - Date.now()
    const old = left < (SESSION_SECONDS - SESSION_RENEWAL_SECONDS) * 1000
    // Sessions of people who did not want to be remembered end with the browser: they are not prolonged.
    const due = old && !cookieHeader.includes('.dont_remember=')
    // One that waits for its renewal is not kept: the next request may be the one that can send the cookie.
    if (before === drops && (renew || !due)) keep(cookie, viewer, row.expires_at)
    if (!due || !renew) return { viewer }
    await db.query({
      name: 'session-renew',
      text: `UPDATE sessions SET expires_at = now() + $2 * interval '1 second', updated_at = now() WHERE id = $1`,
      values: [row.id, SESSION_SECONDS],
    })
    const secure = config.secureCookies ? '; Secure' : ''
    const attributes = `Max-Age=${SESSION_SECONDS}; Path=/; HttpOnly; SameSite=Lax${secure}`
    return { viewer, setCookie: `${name}=${cookie}; ${attributes}` }
  }

  function keep(cookie: string, viewer: Viewer, expiresAt: Date): void {
    if (kept.size >= KEEP_AT_MOST) for (const oldest of [...kept.keys()].slice(0, 100)) kept.delete(oldest)
    kept.set(cookie, { viewer, until: Math.min(Date.now() + KEEP_MS, expiresAt.getTime()) })
  }

  return {
    async find(cookieHeader, renew = false) {
      if (cookieHeader === undefined) return null
      const cookie = readCookie(cookieHeader, name)
      if (cookie === null) return null
      const known = kept.get(cookie)
      if (known !== undefined) {
        if (known.until > Date.now()) return { viewer: known.viewer }
        kept.delete(cookie)
      }
      // Requests that arrive together ask once.
      const running = asking.get(cookie)
      if (running !== undefined) return running
      const lookup = look(cookie, cookieHeader, renew).finally(() => asking.delete(cookie))
      asking.set(cookie, lookup)
      return lookup
    },
    drop(userId) {
      drops++
      for (const [cookie, { viewer }] of kept) if (viewer.userId === userId) kept.delete(cookie)
      // A lookup that is under way may have read the row before it changed: nobody may join it any more.
      asking.clear()
      for (const listener of listeners) listener(userId)
    },
    onDrop(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** The raw, still encoded value of a cookie. The first wins, as browsers send the most specific one first. */
export function readCookie(header: string, name: string): string | null {
  let from = 0
  while (from < header.length) {
    const end = header.indexOf(';', from)
    const stop = end === -1 ? header.length : end
    while (header[from] === ' ') from++
    if (header.startsWith(`${name}=`, from)) return header.slice(from + name.length + 1, stop)
    from = stop + 1
  }
  return null
}

/** better-auth's signed cookie: `encodeURIComponent(token + '.' + base64(HMAC-SHA256(secret, token)))`. */
function verifiedToken(cookie: string, secret: string): string | null {
  let value: string
  try {
    value = decodeURIComponent(cookie)
  } catch {
    return null
  }
  const dot = value.lastIndexOf('.')
  if (dot < 1) return null
  const token = value.slice(0, dot)
  const given = Buffer.from(value.slice(dot + 1))
  const expected = Buffer.from(createHmac('sha256', secret).update(token).digest('base64'))
  return given.length === expected.length && timingSafeEqual(given, expected) ? token : null
}
