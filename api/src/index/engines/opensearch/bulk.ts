// Changes on their way to the cluster, a few megabytes at a time. What it has no room for is sent again, item by item;
// what it has already, or something newer of, counts as done: versions are places of the log, so that whatever is sent
// twice, or late, changes nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type Cluster, Trouble } from './cluster.ts'
import { backoffMs } from './retry.ts'

/** Characters of a request: small domains take 10 MB at most. */
const REQUEST_CHARACTERS = 4_000_000
const TRIES = 8
const BACKOFF_MS = { first: 200, most: 8_000 } as const
/** A cluster that asks for more gets it from whoever writes the entry again. */
const LONGEST_WAIT_MS = 30_000

export interface Change {
  readonly id: number
  readonly routing: number
  /** Null deletes. */
  readonly document: object | null
}

export interface Rejected {
  readonly id: number
  readonly why: string
}

interface Line extends Change {
  readonly text: string
}

const outcome = z.object({ status: z.number(), error: z.unknown().optional() })
const answered = z.object({ items: z.array(z.record(z.string(), outcome)) })

export class Bulk {
  readonly #cluster: Cluster
  readonly #index: string
  readonly #signal: AbortSignal
  readonly #rejected: (one: Rejected) => void
  #lines: Line[] = []
  #characters = 0

  /** @param rejected is told of what the cluster will never take */
  constructor(cluster: Cluster, index: string, signal: AbortSignal, rejected: (one: Rejected) => void) {
    this.#cluster = cluster
    this.#index = index
    this.#signal = signal
    this.#rejected = rejected
  }

  /** @param version the place of the log that it comes from. @throws Trouble: not all of what was added is there */
  async add(change: Change, version: number): Promise<void> {
    const place = { _id: String(change.id), routing: String(change.routing) }
    const action = { ...place, version, version_type: 'external_gte' }
    const text =
      change.document === null
        ? JSON.stringify({ delete: action })
        : `${JSON.stringify({ index: action })}\n${JSON.stringify(change.document)}`
    this.#lines.push({ ...change, text })
    this.#characters += text.length
    if (this.#characters >= REQUEST_CHARACTERS) await this.flush()
  }

  /** Everything that was added is there when it resolves; not yet seen by searches. @throws Trouble, or the signal's reason */
  async flush(): Promise<void> {
    const lines = this.#lines
    this.#lines = []
    this.#characters = 0
    if (lines.length > 0) await this.#send(lines)
  }

  /** Forgets what was added and not sent. */
  clear(): void {
    this.#lines = []
    this.#characters = 0
  }

  async #send(lines: readonly Line[]): Promise<void> {
    let waiting = lines
    for (let n = 1; ; n++) {
      const { again, trouble } = await this.#try(waiting)
      if (again.length === 0) return
      if (n === TRIES || trouble.kind !== 'busy') throw trouble
      waiting = again
      const wait = Math.max(backoffMs(n - 1, BACKOFF_MS.first, BACKOFF_MS.most), trouble.retryAfterMs ?? 0)
      await sleep(Math.min(wait, LONGEST_WAIT_MS), undefined, { signal: this.#signal })
    }
  }

  async #try(lines: readonly Line[]): Promise<{ again: readonly Line[]; trouble: Trouble }> {
    const busy = new Trouble('busy', 'OpenSearch has too much to do.')
    try {
      const answer = await this.#cluster.send({
        ...{ method: 'POST', path: `/${this.#index}/_bulk`, lines: lines.map(({ text }) => text) },
        ...{ idempotent: true, timeoutMs: 60_000, signal: this.#signal },
      })
      return this.#sort(lines, answered.parse(answer).items)
    } catch (error) {
      if (!(error instanceof Trouble)) throw error
      if (error.kind === 'busy') return { again: lines, trouble: error }
      if (error.kind !== 'too-large') throw error
      await this.#halve(lines, error)
      return { again: [], trouble: busy }
    }
  }

  /** What is too large for one request is sent in two. */
  async #halve(lines: readonly Line[], why: Trouble): Promise<void> {
    const [only] = lines
    if (only !== undefined && lines.length === 1) return this.#rejected({ id: only.id, why: why.message })
    const middle = Math.ceil(lines.length / 2)
    await this.#send(lines.slice(0, middle))
    await this.#send(lines.slice(middle))
  }

  #sort(
    lines: readonly Line[],
    items: readonly Record<string, z.infer<typeof outcome>>[],
  ): { again: Line[]; trouble: Trouble } {
    const again: Line[] = []
    let trouble = new Trouble('busy', 'OpenSearch has too much to do.')
    for (const [i, line] of lines.entries()) {
      const { status, error } = Object.values(items[i] ?? {})[0] ?? { status: 500 }
      // 409: something newer is there. 404: what is to be deleted is not.
      if (status < 300 || status === 409 || (status === 404 && line.document === null)) continue
      const found = this.#cluster.refusal(status, error)
      if (found.passes || found.kind === 'missing') {
        again.push(line)
        if (trouble.kind === 'busy') trouble = found
      } else this.#rejected({ id: line.id, why: found.message })
    }
    return { again, trouble }
  }
}
