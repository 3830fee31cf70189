// Which packages exactly an image gets: the newest of the suite that the mirror has now, each with the SHA-256 that the
// signed index names. It is found without downloading a package, so that an unchanged list costs seconds.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Problem } from '../../local/problem.ts'
import { ARCHITECTURE, ARCHIVES, KEYRING, SUITE } from '../recipe/debian.ts'
import { attempt, IMAGES, type Mirrors } from './host.ts'
import { remembered } from './remembered.ts'

export interface LockedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Of the .deb, in hex. */
  readonly sha256: string
  readonly bytes: number
}

/** Where apt keeps what it knows of the mirror. */
const APT = path.join(IMAGES, 'apt')

/** Lines of a sources.list for these mirrors. */
export const sourcesList = (mirrors: Mirrors): string =>
  ARCHIVES.map(
    ({ mirror, suite }) =>
      `deb [arch=${ARCHITECTURE} signed-by=${KEYRING}] ${mirrors[mirror]} ${suite} main\n`,
  ).join('')

/** A line of `apt-get --print-uris`: address, name of the file, bytes, hash. */
const URI = /^'[^']+' (\S+)_(\S+)_(\w+)\.deb (\d+) SHA256:([0-9a-f]{64})$/

/**
 * What mmdebstrap's minbase and these packages resolve to.
 * @returns sorted by name
 * @throws Problem when the mirror can't be reached, or has not got one of them
 */
export async function lockPackages(
  packages: readonly string[],
  mirrors: Mirrors,
): Promise<readonly LockedPackage[]> {
  const apt = ownApt(mirrors)
  // Once for all roots of a bake: they are of the same hour of the mirror.
  updated ??= updateLists(apt)
  await updated
  const wanted = ['?essential', '?priority(required)', 'apt', ...packages]
  const question = ['-o', 'Acquire::ForceHash=SHA256', '-qq', '--print-uris', '-y', 'install', ...wanted]
  const answer = await remembered(APT, [...apt, ...question], async () => {
    const solved = await attempt`apt-get ${apt} ${question}`
    if (solved.exitCode !== 0)
      throw new Problem(
        `Debian ${SUITE} can not install what the image needs: ${lastLine(solved.stderr)}`,
        'Compare the names in ami/recipe/debian.ts with that suite.',
      )
    return solved.stdout
  })
  return answer.trim().split('\n').map(parseUri).sort(byName)
}

let updated: Promise<void> | undefined

async function updateLists(apt: readonly string[]): Promise<void> {
  // Whoever asks something of the lists makes of them what it needs.
  const { exitCode, stderr } =
    await attempt`apt-get ${apt} -o pkgCacheFile::Generate=false -q --error-on=any update`
  if (exitCode !== 0)
    throw new Problem(
      `The package lists of Debian ${SUITE} could not be fetched: ${lastLine(stderr)}`,
      'Look whether the mirror can be reached, and run it again.',
    )
}

export function parseUri(line: string): LockedPackage {
  const [, name, version, architecture, bytes, sha256] = URI.exec(line) ?? []
  if (!name || !version || !architecture || !bytes || !sha256)
    throw new Error(`apt-get --print-uris said something unexpected: ${line.replace(/^'[^']*'/, '')}`)
  return { name, version: decodeURIComponent(version), architecture, sha256, bytes: Number(bytes) }
}

const byName = (a: LockedPackage, b: LockedPackage) => (a.name < b.name ? -1 : 1)

/** SHA-256 of a list, in hex. */
export const hashOfLock = (lock: readonly LockedPackage[]): string =>
  createHash('sha256')
    .update(lock.map(({ name, version, sha256 }) => `${name} ${version} ${sha256}\n`).join(''))
    .digest('hex')

/** apt with lists of its own and nothing installed; proxies and the like stay the machine's. */
function ownApt(mirrors: Mirrors): string[] {
  const folder = APT
  mkdirSync(path.join(folder, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(folder, 'archives/partial'), { recursive: true })
  writeIfOther(path.join(folder, 'status'), '')
  writeIfOther(path.join(folder, 'sources.list'), sourcesList(mirrors))
  return [
    ...['-o', `Dir::State=${folder}`, '-o', `Dir::Cache=${folder}`],
    ...['-o', `Dir::State::status=${folder}/status`],
    // What it makes of its lists, for the next question: many containers' apt is told to keep none.
    ...['-o', 'Dir::Cache::pkgcache=pkgcache.bin', '-o', 'Dir::Cache::srcpkgcache=srcpkgcache.bin'],
    ...['-o', `Dir::Etc::SourceList=${folder}/sources.list`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
    ...['-o', 'Dir::Etc::Preferences=/dev/null', '-o', 'Dir::Etc::PreferencesParts=/dev/null'],
    ...['-o', 'APT::Install-Recommends=false', '-o', `APT::Architecture=${ARCHITECTURE}`],
    ...['-o', 'Acquire::Languages=none', '-o', 'Acquire::Retries=3'],
    // Of a snapshot archive's date.
    ...['-o', 'Acquire::Check-Valid-Until=false'],
  ]
}

/** apt reads all of its lists anew, which takes seconds, when one of these is younger than what it has made of them. */
function writeIfOther(file: string, text: string): void {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? ''
