// What the API process and its courier say to each other.
import type { Config } from '../../config.ts'
import type { Fetched } from './fetch.ts'
import type { Published } from './publish.ts'

export interface Task {
  readonly config: Pick<
    Config,
    'databaseUrl' | 'databaseCa' | 'databaseAuth' | 'storage' | 'home' | 'indexDir' | 'logLevel' | 'release'
  >
  /** Derived from AUTH_SECRET, which the courier is not told. */
  readonly macKey: Buffer
  readonly errand:
    | { readonly kind: 'fetch'; readonly whole: boolean }
    | { readonly kind: 'publish'; readonly owner: string }
}

export type Outcome =
  | { readonly kind: 'fetched'; readonly fetched: Fetched | null }
  | { readonly kind: 'published'; readonly published: Published }
  | { readonly kind: 'failed'; readonly reason: string }

/** Of a fetch, so that whoever waits for it knows that it gets on: bytes of files so far. */
export interface Progress {
  readonly kind: 'progress'
  readonly bytes: number
}
