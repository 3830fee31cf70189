// What the running server is made of, built once by main.ts and handed to procedures, which pass narrow parts
// of it inwards. Starting goes from the database outwards, stopping goes back in reverse.

import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import type { Answers } from './chat/answers.ts'
import type { Config } from './config.ts'
import type { Pool } from './database/pool.ts'
import type { Prisma } from './database/prisma.ts'
import type { Index } from './index/port.ts'
import type { Events } from './library/events.ts'
import type { Embedder } from './models/port.ts'
import type { Models } from './models/registry.ts'
import type { Auth } from './people/auth.ts'
import type { Sessions } from './people/sessions.ts'
import type { BlobStore } from './storage/port.ts'

export interface Services {
  readonly config: Config
  readonly log: Logger
  readonly pool: Pool
  readonly prisma: Prisma
  readonly blobs: BlobStore
  readonly index: Index
  /** Null without weights: search goes by words only. */
  readonly embedder: Embedder | null
  readonly jobs: PgBoss
  readonly models: Models
  readonly answers: Answers
  readonly events: Events
  readonly auth: Auth
  readonly sessions: Sessions
}
