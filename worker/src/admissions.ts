// What must be counted in one place: ids of answer tokens that were used, script tokens that were taken back, and the
// requests of the last minute, of the account and of everyone in it. Memory answers; the tables are for whoever comes after an eviction.
// Times are milliseconds since 1970.

/** The part of a Durable Object's SQLite that is used. */
export interface Sql {
  exec(statement: string, ...bindings: (string | number)[]): Iterable<Record<string, unknown>>
}

export interface Admission {
  /** The token's id. */
  readonly id: string
  /** The token's end. What was read of its request before may have taken long: it counts now. */
  readonly until: number
  /** May be used once: a second use has to be known until its end. */
  readonly once: boolean
  /** The token's holder: a person, or a script. */
  readonly holder: string
  readonly requestsPerMinute: number
  /** Of one holder: nobody may use up everybody's minute. */
  readonly requestsPerHolder: number
}

export type Verdict =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: 'expired' | 'replayed' | 'revoked' }
  /** `own`: it is the holder's part alone that is used up. */
  | { readonly admitted: false; readonly reason: 'rate'; readonly own: boolean; readonly seconds: number }

const MINUTE = 60_000

export class Admissions {
  readonly #sql: Sql
  readonly #used = new Map<string, number>()
  readonly #revoked = new Map<string, number>()
  /** The last minute's requests, oldest first. */
  readonly #calls: { at: number; holder: string }[] = []
  #unsaved: { at: number; holder: string; id: string; until: number | null }[] = []

  constructor(sql: Sql) {
    this.#sql = sql
    sql.exec('CREATE TABLE IF NOT EXISTS used (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID')
    sql.exec('CREATE TABLE IF NOT EXISTS revoked (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID')
    sql.exec('CREATE TABLE IF NOT EXISTS asked (at INTEGER NOT NULL, holder TEXT NOT NULL)')
    for (const { id, until } of sql.exec('SELECT id, until FROM used'))
      this.#used.set(String(id), Number(until))
    for (const { id, until } of sql.exec('SELECT id, until FROM revoked'))
      this.#revoked.set(String(id), Number(until))
    for (const { at, holder } of sql.exec('SELECT at, holder FROM asked ORDER BY at'))
      this.#calls.push({ at: Number(at), holder: String(holder) })
  }

  /** Decides, and counts what is admitted. A request that is refused uses up nothing. */
  admit(admission: Admission, now: number): Verdict {
    const { id, until, once, holder, requestsPerMinute, requestsPerHolder } = admission
    // After it the ledger may have forgotten the id.
    if (until <= now) return { admitted: false, reason: 'expired' }
    if (this.isRevoked(id)) return { admitted: false, reason: 'revoked' }
    if (once && this.#used.has(id)) return { admitted: false, reason: 'replayed' }
    while ((this.#calls[0]?.at ?? now) <= now - MINUTE) this.#calls.shift()
    const own = this.#calls.filter((call) => call.holder === holder)
    const all = this.#calls.at(-requestsPerMinute)
    // Of the account's wait when there is one: it is everybody's, and one holder's own may be longer.
    const oldest = all ?? own.at(-requestsPerHolder)
    if (oldest !== undefined) {
      const seconds = Math.ceil((oldest.at + MINUTE - now) / 1_000)
      return { admitted: false, reason: 'rate', own: all === undefined, seconds }
    }
    this.#calls.push({ at: now, holder })
    if (once) this.#used.set(id, until)
    this.#unsaved.push({ at: now, holder, id, until: once ? until : null })
    return { admitted: true }
  }

  isRevoked(id: string): boolean {
    return this.#revoked.has(id)
  }

  /** Written before it returns: a revocation that was acknowledged must hold. */
  revoke(id: string, until: number): void {
    this.#sql.exec(
      'INSERT INTO revoked VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET until = excluded.until',
      id,
      until,
    )
    this.#revoked.set(id, until)
  }

  get unsaved(): boolean {
    return this.#unsaved.length > 0
  }

  /** Writes what was admitted since the last time; belongs into one transaction. */
  save(): void {
    for (const { at, holder, id, until } of this.#unsaved) {
      this.#sql.exec('INSERT INTO asked VALUES (?, ?)', at, holder)
      if (until !== null) this.#sql.exec('INSERT INTO used VALUES (?, ?) ON CONFLICT DO NOTHING', id, until)
    }
    this.#unsaved = []
  }

  /** Forgets what is over. Returns when there is something to forget next, or null. */
  forget(now: number): number | null {
    this.#sql.exec('DELETE FROM used WHERE until <= ?', now)
    this.#sql.exec('DELETE FROM revoked WHERE until <= ?', now)
    this.#sql.exec('DELETE FROM asked WHERE at <= ?', now - MINUTE)
    for (const known of [this.#used, this.#revoked])
      for (const [id, until] of known) if (until <= now) known.delete(id)
    const [next] = this.#sql.exec(
      `SELECT min(due) AS due FROM (SELECT min(until) AS due FROM used
       UNION ALL SELECT min(until) FROM revoked UNION ALL SELECT min(at) + ${MINUTE} FROM asked)`,
    )
    return next?.due === null || next === undefined ? null : Number(next.due)
  }
}
