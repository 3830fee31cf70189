// The Durable Object around the admissions: one for the account, one round trip a request.
//
// A Durable Object's reply waits until what was written before it is safe, on disks in several places. That wait would
// be part of every first token, so a request is admitted from memory and written a moment after the reply, with the others
// of that moment. What can be lost is what was admitted in the last tenth of a second before the object's machine dies; then
// a token that still has seconds to live could be used again, for the same prompt and the same budget.
import { DurableObject } from 'cloudflare:workers'
import { type Admission, Admissions, type Verdict } from './admissions.ts'
import type { Env } from './configuration.ts'

/** There is one: the limit that it keeps is the account's. */
export const LEDGER_NAME = 'account'
const SAVE_AFTER_MS = 100
/** Not more often than this is anything forgotten. */
const FORGET_EVERY_MS = 10_000

export class Ledger extends DurableObject<Env> {
  readonly #admissions: Admissions
  #saving = false
  #alarmAt = Number.POSITIVE_INFINITY

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#admissions = new Admissions(state.storage.sql)
  }

  admit(admission: Admission): Verdict {
    const verdict = this.#admissions.admit(admission, Date.now())
    if (verdict.admitted && !this.#saving) {
      this.#saving = true
      setTimeout(() => this.#save(), SAVE_AFTER_MS)
    }
    return verdict
  }

  isRevoked(id: string): boolean {
    return this.#admissions.isRevoked(id)
  }

  async revoke(id: string, until: number): Promise<void> {
    this.#admissions.revoke(id, until)
    await this.#wake(0)
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY
    this.#save()
    const next = this.ctx.storage.transactionSync(() => this.#admissions.forget(Date.now()))
    if (next !== null) await this.#wake(next)
  }

  #save(): void {
    this.#saving = false
    if (!this.#admissions.unsaved) return
    this.ctx.storage.transactionSync(() => this.#admissions.save())
    this.ctx.waitUntil(this.#wake(0))
  }

  async #wake(due: number): Promise<void> {
    const at = Math.max(due, Date.now() + FORGET_EVERY_MS)
    if (at >= this.#alarmAt) return
    this.#alarmAt = at
    await this.ctx.storage.setAlarm(at)
  }
}
