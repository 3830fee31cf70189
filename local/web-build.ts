// Builds the web tier when its sources changed, into a folder named after them: a Terrace that runs from the previous
// build goes on undisturbed. `next build` leaves the static files beside the standalone server; they are put into it.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { NATIVE, ROOT, run, setupLock } from './install.mjs'
import { Problem } from './problem.ts'
import { fingerprint } from './stamps.ts'
import { makeSame } from './standalone.ts'

const BUILDS = path.join(NATIVE, 'web')
/** Builds kept: the newest, and one that may still be running. */
const KEPT = 2

export interface WebBuild {
  /** Holds server.js. */
  readonly dir: string
  readonly fresh: boolean
}

/**
 * What a build of these sources is called, here and in the addresses of its static files. Of letters that no word of
 * an ad blocker's list is made of: Next takes care of that in names of its own.
 */
export function webBuildId(): string {
  // The API's types are part of the pages' sources: a page that asks for what is gone must fail its build here.
  const hash = fingerprint([
    ...['web', 'contract', 'api/src/routers', 'package-lock.json', 'tsconfig.json'],
    ...['local/web-build.ts', 'local/standalone.ts'],
  ])
  return hash.slice(0, 16).replaceAll(/[a-f]/g, (letter) => 'uvwxyz'['abcdef'.indexOf(letter)] ?? '')
}

export async function buildWeb(report: (line: string) => void): Promise<WebBuild> {
  const key = webBuildId()
  const place = path.join(BUILDS, key)
  const dir = path.join(place, 'web')
  if (isBuilt(place)) return { dir, fresh: false }
  mkdirSync(BUILDS, { recursive: true })
  // Next refuses a second build beside one that runs: two first starts at once, or a start beside the tests.
  const release = await setupLock()
  try {
    if (isBuilt(place)) return { dir, fresh: false }
    report('building, about half a minute')
    await build(key)
    assemble(place)
    removeOld(place)
    return { dir, fresh: true }
  } finally {
    release()
  }
}

function isBuilt(place: string): boolean {
  if (!existsSync(path.join(place, 'web/server.js'))) return false
  const now = new Date()
  utimesSync(place, now, now)
  return true
}

async function build(id: string): Promise<void> {
  const log = path.join(NATIVE, 'web-build.log')
  const next = path.join(ROOT, 'node_modules/next/dist/bin/next')
  const { code, text } = await run([process.execPath, next, 'build'], {
    cwd: path.join(ROOT, 'web'),
    log,
    env: {
      ...process.env,
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      TERRACE_WEB_BUILD: id,
      // Otherwise Next looks for a greater repository around this one, and writes down where that lies.
      NEXT_PRIVATE_OUTPUT_TRACE_ROOT: ROOT,
    },
  })
  if (code !== 0) {
    if (/ENOSPC|no space left/i.test(text))
      throw new Problem(`The disk of ${ROOT} is full.`, 'Make room (about 1 GB) and start again.')
    throw new Error(
      `The web pages could not be built (whole log: ${log}):\n${text.trim().split('\n').slice(-20).join('\n')}`,
    )
  }
}

function assemble(place: string): void {
  const beside = `${place}.${process.pid}`
  const built = path.join(ROOT, 'web/.next')
  rmSync(beside, { recursive: true, force: true })
  cpSync(path.join(built, 'standalone'), beside, { recursive: true, verbatimSymlinks: true })
  cpSync(path.join(built, 'static'), path.join(beside, 'web/.next/static'), { recursive: true })
  const publicFiles = path.join(ROOT, 'web/public')
  if (existsSync(publicFiles)) cpSync(publicFiles, path.join(beside, 'web/public'), { recursive: true })
  makeSame(path.join(beside, 'web'), ROOT)
  rmSync(place, { recursive: true, force: true })
  renameSync(beside, place)
}

function removeOld(newest: string): void {
  const others = readdirSync(BUILDS)
    .map((name) => path.join(BUILDS, name))
    .filter((place) => place !== newest)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  for (const place of others.slice(KEPT - 1)) rmSync(place, { recursive: true, force: true })
}
