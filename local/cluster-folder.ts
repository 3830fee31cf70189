// Where the data of the embedded PostgreSQL lies. Below `home`, except when PostgreSQL has to run as another user who
// can't reach that (we are root, and a folder above is closed): then outside, in a folder that belongs to these
// secrets, so that a new clone in the place of an old one does not meet the old one's data.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { OUTSIDE_FILE, readOutside, writeOutside } from './home.ts'
import { isCluster } from './postgres.ts'
import { reachableByOthers, runAs } from './postgres-binaries.ts'
import { Problem } from './problem.ts'

const OUTSIDE = '/var/lib/terrace'

/**
 * A database that is there is found before anything is said about where a new one belongs: folders may be opened or
 * closed between two starts, and an empty database beside the data would look as if all was lost.
 * @param outside for tests
 * @throws Problem when the database was outside and is not there any more
 */
export function clusterFolder(home: string, password: string, outside = OUTSIDE): string {
  const usual = path.join(home, 'postgres')
  if (isCluster(usual)) return usual
  const recorded = readOutside(home)
  if (recorded !== undefined) {
    // What is in a folder of another user is not for us to see; checkCluster says whose it is.
    const isThere = process.getuid?.() === 0 ? isCluster(recorded) : existsSync(recorded)
    if (isThere) return recorded
    throw new Problem(
      `The database of ${home} was in ${recorded}, and is not there any more.`,
      `Bring it back from a backup, to that place or (where Terrace does not run as root) to ${usual}; or move ${home} away to begin empty. ${path.join(home, OUTSIDE_FILE)} says where it was.`,
    )
  }
  const name = createHash('sha256').update(`cluster ${password}`).digest('hex').slice(0, 12)
  const beyond = path.join(outside, name, 'postgres')
  if (isCluster(beyond)) return beyond
  return !runAs() || reachableByOthers(home) ? usual : beyond
}

/** To be called once the database is made: the home says where the rest of it lies, when that is not in it. */
export function rememberCluster(home: string, dataDir: string): void {
  if (dataDir !== path.join(home, 'postgres') && readOutside(home) !== dataDir) writeOutside(home, dataDir)
}
