// TERRACE_HOME: the folder with everything that this installation keeps.
//   secrets.json  the database's password, AUTH_SECRET, SETUP_TOKEN (made once, readable by this user only)
//   postgres/  storage/  index/  models/  logs/
//   postgres-outside.txt  where the database lies, when it could not be put into postgres/ (cluster-folder.ts)
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { POSTGRES_MAJOR } from '../contract/postgres.ts'
import { tryLock } from './lock.mjs'
import { errorCode, fileProblem, Problem } from './problem.ts'
import type { Settings } from './settings.ts'

/** Less free space than this and PostgreSQL may stop in the middle of its work. */
const NEEDED_BYTES = 300 * 1024 * 1024

const secretsSchema = z.object({
  postgresPassword: z.string().min(16),
  authSecret: z.string().min(32),
  setupToken: z.string().min(16),
})
export type Secrets = z.infer<typeof secretsSchema>

export const OUTSIDE_FILE = 'postgres-outside.txt'

/** Makes the folder. @throws Problem when it can't be made or written, or its disk is full */
export function prepareHome(home: string): void {
  try {
    mkdirSync(path.join(home, 'logs'), { recursive: true })
    // Others may pass through (PostgreSQL, which runs as another user when we are root) but not look around.
    chmodSync(home, 0o711)
    const probe = path.join(home, `.probe-${process.pid}`)
    writeFileSync(probe, 'x')
    rmSync(probe)
  } catch (error) {
    throw fileProblem(error, home)
  }
  checkSpace(home)
}

/** @throws Problem when less than 300 MB are free */
export function checkSpace(home: string): void {
  const { bavail, bsize } = statfsSync(home)
  if (bavail * bsize < NEEDED_BYTES)
    throw new Problem(
      `Only ${Math.floor((bavail * bsize) / 1024 ** 2)} MB are free on the disk that holds ${home}.`,
      'Make room (at least 300 MB), or name a folder on another disk: TERRACE_HOME=/some/folder npm start',
    )
}

/** One running Terrace per data folder. @throws Problem naming the one that runs */
export function lockHome(settings: Settings): () => void {
  const file = path.join(settings.home, 'running.json')
  const release = tryLock(file, { url: settings.publicUrl })
  if (release) return release
  const held = z.object({ pid: z.number(), url: z.string() }).safeParse(readJson(file))
  const who = held.success ? `process ${held.data.pid}, ${held.data.url}` : 'another process'
  throw new Problem(
    `Terrace already runs with the data in ${settings.home} (${who}).`,
    'Use that one, stop it first, or start a second one beside it: TERRACE_HOME=/other/folder PORT=3001 API_PORT=4001 npm start',
  )
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** The secrets of this installation; made when there are none yet. */
export function readSecrets(home: string): Secrets {
  const file = path.join(home, 'secrets.json')
  let text: string | undefined
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileProblem(error, file)
  }
  if (text !== undefined) {
    try {
      return secretsSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw new Problem(
        `${file} is damaged.`,
        'Bring it back from a backup. It must not be removed: the database beside it opens only with the password in it.',
        { cause },
      )
    }
  }
  // New ones would lock the data out, or begin an empty installation beside it. (Data of another version of
  // PostgreSQL is refused later, for that.)
  const version = path.join(home, 'postgres', 'PG_VERSION')
  const isBeside = existsSync(version) && Number(readFileSync(version, 'utf8')) === POSTGRES_MAJOR
  if (isBeside || readOutside(home) !== undefined)
    throw new Problem(
      `${file} is missing, and a database that was made with it is there.`,
      'Bring it back from a backup.',
    )
  const secrets: Secrets = {
    postgresPassword: randomBytes(24).toString('base64url'),
    authSecret: randomBytes(48).toString('base64url'),
    setupToken: randomBytes(24).toString('base64url'),
  }
  try {
    writeDurably(file, `${JSON.stringify(secrets, null, 2)}\n`)
  } catch (error) {
    throw fileProblem(error, file)
  }
  return secrets
}

/** The database's folder, when it was made outside of `home`. @throws Problem when that can't be read */
export function readOutside(home: string): string | undefined {
  const file = path.join(home, OUTSIDE_FILE)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileProblem(error, file)
    return undefined
  }
}

export function writeOutside(home: string, dataDir: string): void {
  const file = path.join(home, OUTSIDE_FILE)
  try {
    writeDurably(file, `${dataDir}\n`)
  } catch (error) {
    throw fileProblem(error, file)
  }
}

/** Complete or not at all, and on the disk before anything is built on it. */
function writeDurably(file: string, text: string): void {
  const aside = `${file}.new`
  const handle = openSync(aside, 'w', 0o600)
  try {
    writeFileSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(aside, file)
}
