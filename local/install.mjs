// What has to be there before any TypeScript can run: the packages (npm ci) and Node 24, which is one of them.
// Plain JavaScript without dependencies, for any Node from 20.19: `npm start` and `npm test` both begin here.
// Packages that `npm install` put there count as well: what is installed is compared with the lock file, version by version.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { lock } from './lock.mjs'

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
/** What set-up makes and no one commits: compiled FAISS, the built web tier, stamps. */
export const NATIVE = path.join(ROOT, '.native')

const STAMP = path.join(ROOT, 'node_modules/.terrace-installed')

/** A sentence for the terminal; the way out comes with it. */
export class SetupError extends Error {}

export function say(text) {
  process.stdout.write(`${text}\n`)
}

/** @throws SetupError on a Node that is too old, or a folder that can't be written. */
export function checkMachine() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    throw new SetupError(
      `Node ${process.versions.node} is too old. Install Node 20.19 or newer (24 is used from then on by itself).`,
    )
  if (process.platform === 'win32')
    throw new SetupError('Terrace does not run on Windows itself. Start it inside WSL (Debian or Ubuntu).')
  try {
    mkdirSync(NATIVE, { recursive: true })
    accessSync(ROOT, constants.W_OK)
    accessSync(NATIVE, constants.W_OK)
  } catch (error) {
    if (error.code === 'ENOSPC')
      throw new SetupError(`The disk of ${ROOT} is full. Make room (about 3 GB) and start again.`)
    throw new SetupError(
      `The folder ${ROOT} can not be written by this user, but packages are installed there. ` +
        `Clone into a folder of your own, or: sudo chown -R "$(id -un)" ${ROOT}`,
    )
  }
}

/** Only one process at a time installs or builds in a checkout; the others wait. */
export function setupLock() {
  return lock(path.join(NATIVE, 'setup.lock'), (held) =>
    say(`Another process (${held?.pid ?? 'unknown'}) is installing or building here; waiting for it.`),
  )
}

function lockFileHash() {
  return createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .update(process.platform + process.arch)
    .digest('hex')
}

/** Whether node_modules holds what the lock file names. Optional packages may be missing: npm drops those that fail. */
export function packagesInstalled() {
  const wanted = lockFileHash()
  try {
    const stamp = JSON.parse(readFileSync(STAMP, 'utf8'))
    // A workspace's own node_modules can be gone while the root's is there.
    if (stamp.lock === wanted && stamp.elsewhere.every(isThere)) return true
  } catch {
    // no stamp: look closer
  }
  try {
    const there = JSON.parse(
      readFileSync(path.join(ROOT, 'node_modules/.package-lock.json'), 'utf8'),
    ).packages
    const names = lockedPackages()
    for (const [name, entry] of names) {
      const found = there[name]
      if (!found || found.version !== entry.version || Boolean(found.link) !== Boolean(entry.link))
        return false
    }
    const elsewhere = names.map(([name]) => name).filter((name) => !name.startsWith('node_modules/'))
    if (!elsewhere.every(isThere) || !node24()) return false
    writeFileSync(STAMP, JSON.stringify({ lock: wanted, elsewhere }))
    return true
  } catch {
    return false
  }
}

function lockedPackages() {
  const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'))
  return Object.entries(packages).filter(([name, entry]) => name.includes('node_modules/') && !entry.optional)
}

function isThere(name) {
  return existsSync(path.join(ROOT, name, 'package.json'))
}

/** A Node that runs TypeScript: the one among the packages, or this one. Null when there is none. */
export function node24() {
  const places = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`]
  for (const place of places) {
    const binary = path.join(ROOT, 'node_modules', place, 'bin/node')
    if (existsSync(binary)) return binary
  }
  return Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : null
}

/**
 * Makes node_modules what the lock file names: `npm ci` in a fresh clone; where packages are there already (after a
 * pull), `npm install` changes what differs and leaves the rest, and `npm ci` follows only if that fails.
 * @returns whether anything was installed
 */
export async function installPackages() {
  if (packagesInstalled()) return false
  const log = path.join(NATIVE, 'npm.log')
  const lockFile = path.join(ROOT, 'package-lock.json')
  const locked = readFileSync(lockFile)
  if (existsSync(path.join(ROOT, 'node_modules/.package-lock.json'))) {
    const { code } = await step('Updating packages (npm install)', () => npm(['install'], log))
    // It must follow the lock file, not improve it.
    if (!readFileSync(lockFile).equals(locked)) writeFileSync(lockFile, locked)
    else if (code === 0 && packagesInstalled()) return true
  }
  await step('Installing packages (npm ci, one to three minutes the first time)', async () => {
    const { code, text } = await npm(['ci'], log)
    if (code !== 0) throw npmError(text, log)
  })
  if (!node24())
    throw new SetupError(
      `No Node 24 came with the packages for ${process.platform}-${process.arch}. Install Node 24 and start again.`,
    )
  // npm is content: so are we, whatever it left out.
  if (!packagesInstalled()) writeFileSync(STAMP, JSON.stringify({ lock: lockFileHash(), elsewhere: [] }))
  return true
}

const NO_NETWORK = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED/

/** npm itself tries for minutes when there is no network; it is asked once first, and then does with what it has. */
async function npm(command, log) {
  const { code, text } = await runNpm(['ping', '--fetch-retries=0', '--fetch-timeout=10000'], log)
  return runNpm(code !== 0 && NO_NETWORK.test(text) ? [...command, '--offline'] : command, log)
}

function runNpm(args, log) {
  const program = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm']
  return run([...program, ...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    log,
    env: {
      ...process.env,
      // The CPU binaries are inside the package; without this its script fetches GPU ones from elsewhere.
      ONNXRUNTIME_NODE_INSTALL: 'skip',
      // An optional package that clones its sources must fail where there is no network, not ask or hang.
      GIT_TERMINAL_PROMPT: '0',
      GIT_HTTP_LOW_SPEED_LIMIT: '1000',
      GIT_HTTP_LOW_SPEED_TIME: '20',
      NODE_ENV: '',
      npm_config_production: '',
      npm_config_omit: '',
    },
  })
}

function npmError(text, log) {
  if (/ENOSPC|no space left/i.test(text))
    return new SetupError(`The disk of ${ROOT} is full. Make room (about 3 GB) and start again.`)
  if (NO_NETWORK.test(text))
    return new SetupError(
      `The package registry can not be reached, and packages are not installed yet. Check the network (npm ping) and start again. Log: ${log}`,
    )
  if (/EACCES|EPERM/.test(text))
    return new SetupError(
      `npm may not write here (files of another user in node_modules?). Try: sudo rm -rf ${path.join(ROOT, 'node_modules')}. Log: ${log}`,
    )
  return new SetupError(`npm ci failed:\n${text.trim().split('\n').slice(-12).join('\n')}\nWhole log: ${log}`)
}

const running = new Set()
// Whoever ends this process ends what it was running: a half-done installation must not go on behind one's back.
process.on('exit', () => {
  for (const child of running) killGroup(child)
})

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // it has just ended
  }
}

/** Runs a program, its output into a log file; resolves with the exit code and the last 20,000 characters. */
export function run(command, { log, env = process.env, cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const [program, ...args] = command
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    running.add(child)
    const file = log ? createWriteStream(log) : undefined
    file?.on('error', () => {})
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk) => {
        file?.write(chunk)
        text = (text + chunk).slice(-20_000)
      })
    child.on('error', (error) => {
      running.delete(child)
      reject(error)
    })
    child.on('close', (code, signal) => {
      running.delete(child)
      file?.end()
      resolve({ code: code ?? 1, signal, text })
    })
  })
}

/** Shows that something takes its time: a running clock on a terminal, a line before and after elsewhere. */
async function step(title, work) {
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  const tty = process.stdout.isTTY
  if (!tty) say(`${title} …`)
  const timer = tty ? setInterval(() => process.stdout.write(`\r${title} … ${seconds()} s `), 250) : undefined
  try {
    const result = await work()
    say(tty ? `\r${title}: done in ${seconds()} s ` : `${title}: done in ${seconds()} s`)
    return result
  } finally {
    clearInterval(timer)
  }
}
