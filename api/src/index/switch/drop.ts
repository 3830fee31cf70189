// Removing the copy of an engine that is given up, once for all servers: what is in the cluster, under the lock of who writes there,
// so that no server that has not heard of it fills another one; what is in the blob store, when every server has heard of it; and
// what is on a server's own disk, by that server.
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import { goodbye } from '../../database/loss.ts'
import { createListener, type Pool } from '../../database/pool.ts'
import { tryLock } from '../../database/turns.ts'
import type { EngineName } from '../../engine-names.ts'
import { openBlobStore } from '../../storage/open.ts'
import { removeCheckpoints } from '../checkpoint/checkpoint.ts'
import { clean } from '../shared/clean.ts'
import { newestKnown } from '../shared/term.ts'
import { removeWords } from '../words/remove.ts'
import { type Choice, endDropping, readChoice } from './choice.ts'
import { liveServers } from './servers.ts'

export interface DropDeps {
  readonly config: Config
  readonly pool: Pool
  readonly log: Logger
  readonly signal: AbortSignal
}

/** @returns whether it is gone by this server's doing; false: not yet, or another one's. @throws Trouble, or what database and store say */
export function dropCopy(deps: DropDeps, choice: Choice, engine: EngineName): Promise<boolean> {
  return engine === 'opensearch' ? dropIndexes(deps, choice) : dropCheckpoints(deps, choice)
}

async function dropIndexes({ config }: DropDeps, choice: Choice): Promise<boolean> {
  // Another server has to do it.
  if (config.openSearchUrl === undefined) return false
  const { WRITER_LOCK } = await import('../engines/opensearch/follow.ts')
  const { removeIndexes } = await import('../engines/opensearch/opensearch.ts')
  const client = createListener(config, 'terrace-engine-drop')
  try {
    await client.connect()
    if (!(await tryLock(client, WRITER_LOCK)) || (await readChoice(client))?.number !== choice.number)
      return false
    await removeIndexes(config, config.openSearchUrl)
    if (!(await removeWords(client))) return false
    return (await endDropping(client, choice)) !== null
  } finally {
    await goodbye(client)
  }
}

async function dropCheckpoints({ config, pool, log, signal }: DropDeps, choice: Choice): Promise<boolean> {
  await removeCheckpoints(config.indexDir)
  const servers = await liveServers(pool)
  if (servers.some(({ heard, engines }) => heard < choice.number || engines.embedded !== undefined))
    return false
  if (config.sharedCheckpoints) {
    const { term } = await newestKnown(pool)
    await clean({ pool, store: await openBlobStore(config), log, signal }, term, { kept: [], unknown: [] })
  }
  return (await endDropping(pool, choice)) !== null
}
