// The Prisma client on a pool that is shared with plain SQL. The pool's owner ends it.
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from './generated/client.ts'
import type { Pool } from './pool.ts'

export type Prisma = PrismaClient

export function createPrisma(pool: Pool): Prisma {
  return new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) })
}
