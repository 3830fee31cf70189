// Statistics of what searches see, which scores go by. They are counted, not kept up, so that after a writer that was
// killed nothing has to be put right. While counting is quick, at every place of the log, and scores are those of the
// embedded engine. Among hundreds of millions of passages it takes seconds: there the last count serves for a while,
// and what was written since is known by its languages only.
import type { Statistics } from './documents.ts'

/** Milliseconds. What takes less is counted every time. */
const QUICK_MS = 250
/** Of the time, what goes into counting at most: a part in so many. */
const SHARE = 20

export class Counting {
  readonly #count: () => Promise<Statistics>
  readonly #now: () => number
  #last: Statistics | null = null
  /** Of the last count: how long it took, and when it ended. */
  #tookMs = 0
  #at = 0
  #stale = false
  readonly #written = new Set<string>()

  /** @param now milliseconds on a clock that never goes back */
  constructor(count: () => Promise<Statistics>, now: () => number = () => performance.now()) {
    this.#count = count
    this.#now = now
  }

  /** Of a passage that was written: it can be found before it is counted. */
  wrote(language: string): void {
    this.#written.add(language)
  }

  /** What was used last is not of what searches see, and there is time for another count. */
  get due(): boolean {
    return this.#stale && this.#mayCount()
  }

  /** To be called after a refresh. @throws what counting throws */
  async statistics(): Promise<Statistics & { readonly counted: boolean }> {
    // A count of nothing says nothing of what came since: not even how long passages are.
    if (this.#last !== null && this.#last.passages > 0 && !this.#mayCount()) {
      this.#stale = true
      const unknown = Array.from(this.#written, (language) => [language, 1] as const)
      return {
        ...this.#last,
        languages: { ...Object.fromEntries(unknown), ...this.#last.languages },
        counted: false,
      }
    }
    const began = this.#now()
    const found = await this.#count()
    this.#at = this.#now()
    this.#tookMs = this.#at - began
    this.#last = found
    this.#stale = false
    this.#written.clear()
    return { ...found, counted: true }
  }

  #mayCount(): boolean {
    return this.#tookMs < QUICK_MS || this.#now() - this.#at >= this.#tookMs * SHARE
  }
}
