// A database of its own with nothing but passages and their vectors, and configurations of servers that read it.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Config, parseConfig } from '../../api/src/config.ts'
import { migrate } from '../../api/src/database/migrate.ts'
import { createPool, type Pool } from '../../api/src/database/pool.ts'
import { startPostgres } from '../../local/postgres.ts'
import { fillLibrary, type LibraryOptions } from '../search/library.ts'
import type { TextMaker } from '../search/text.ts'

export const DIMENSIONS = 384

export interface PassagesAlone {
  readonly folder: string
  readonly pool: Pool
  readonly text: TextMaker
  /** Of a server with a folder of its own; the blob store is everybody's. */
  configOf(name: string): Config
}

/**
 * Everything is stopped and removed with `stack`.
 * @param library what fillLibrary is told besides
 */
export async function passagesAlone(
  size: number,
  stack: AsyncDisposableStack,
  library: Pick<LibraryOptions, 'collections' | 'perDocument' | 'real'> = {},
): Promise<PassagesAlone> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-scale-'))
  chmodSync(folder, 0o755)
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), password: 'bench' })
  stack.defer(() => postgres.stop())
  const databaseUrl = postgres.url('postgres')
  await migrate({ connectionString: databaseUrl })
  const configOf = (name: string) =>
    parseConfig({
      ...{ DATABASE_URL: databaseUrl, STORAGE: `file:${folder}/storage`, AUTH_SECRET: 'x'.repeat(32) },
      ...{ INDEX_DIR: path.join(folder, name), INDEX_CHECKPOINTS: 'shared', LOG_LEVEL: 'warn' },
    })
  const pool = createPool(configOf('a'), { name: 'bench' })
  stack.defer(() => pool.end())
  await pool.query("INSERT INTO users (id, name, email) VALUES ('bench', 'Bench', 'bench@example.org')")
  const { text } = await fillLibrary(databaseUrl, {
    ...{ ...library, passages: size, dimensions: DIMENSIONS, userId: 'bench' },
    generation: { digest: 'bench', key: {} },
  })
  return { folder, pool, text, configOf }
}
