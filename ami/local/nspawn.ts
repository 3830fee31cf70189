// Boots a root in a container (systemd-nspawn): the image's own systemd, units and sandbox in seconds; the kernel is this
// machine's. Nothing in the root is changed: what the container writes lies in memory. It has a network with this
// machine alone, so that it can't ask this machine's own metadata service.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { attempt, needRoot, needTools } from './host.ts'
import { serveMetadata } from './metadata.ts'
import { endNetwork, makeNetwork, type Network } from './network.ts'

export interface Container extends AsyncDisposable {
  /** Where this machine reaches it, and it reaches this machine. */
  readonly address: string
  readonly host: string
  /** Of its first process, in this machine's numbers. */
  readonly leader: number
  exec(...command: readonly string[]): Promise<{ code: number; text: string }>
  /** What it wrote to its console: all that is seen of a server which nobody can reach. */
  console(): string
  /** Lines of the journal, of one unit or of all. */
  journal(unit?: string): Promise<string>
  /** Whether it still runs: it may turn itself off. */
  running(): boolean
  /** As a machine that is switched off: units are stopped in order. */
  stop(): Promise<void>
}

export interface ContainerOptions {
  /** File or folder of this machine → place in the container, read-only. */
  readonly binds?: Readonly<Record<string, string>>
  /** Files of the container's own, readable by its root only: place → text, in which this machine's address may stand. */
  readonly files?: (host: string) => Readonly<Record<string, string>>
  /** File that its metadata are read from (metadata.ts), in which this machine's address may stand. Default: it has none. */
  readonly metadata?: (host: string) => Promise<string>
}

/** @throws Error when it does not start; Problem when the machine lacks something */
export async function bootContainer(root: string, options: ContainerOptions = {}): Promise<Container> {
  needRoot()
  await needTools('systemd-container', 'iproute2')
  await using stack = new AsyncDisposableStack()
  const network = await makeNetwork()
  stack.defer(() => endNetwork(network))
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-container-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  if (options.metadata !== undefined)
    stack.use(await serveMetadata(network, await options.metadata(network.outside)))
  const binds = { ...options.binds, ...writeFiles(folder, options.files?.(network.outside) ?? {}) }
  const command = ['--pdeathsig', 'KILL', 'systemd-nspawn', ...nspawnArguments(root, network, binds)]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-100_000)
    })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const leader = await leaderOf(child, () => said.slice(-4_000))
  const exec = async (...command: readonly string[]) => {
    const inside = ['--mount', '--uts', '--ipc', '--net', '--pid']
    const { exitCode, stdout, stderr } = await attempt`nsenter --target ${leader} ${inside} -- ${command}`
    return { code: exitCode ?? 1, text: stdout + stderr }
  }
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 90_000)
      await ended
      clearTimeout(late)
    }
    await all.disposeAsync()
  }
  const all = stack.move()
  return {
    address: network.inside,
    host: network.outside,
    leader,
    exec,
    console: () => said.replaceAll('\r', ''),
    running: () => child.exitCode === null && child.signalCode === null,
    async journal(unit) {
      const { text } = await exec(
        'journalctl',
        '--no-pager',
        '--output=cat',
        ...(unit ? ['--unit', unit] : []),
      )
      return text
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** @returns file of this machine → place in the container */
function writeFiles(folder: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([place, text], index) => {
      const file = path.join(folder, String(index))
      writeFileSync(file, text, { mode: 0o600 })
      return [file, place]
    }),
  )
}

function nspawnArguments(root: string, network: Network, binds: Readonly<Record<string, string>>): string[] {
  return [
    ...['--quiet', `--directory=${root}`, '--volatile=overlay', '--boot', `--machine=${network.name}`],
    ...['--register=no', '--keep-unit', `--network-namespace-path=/run/netns/${network.name}`],
    ...['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=read-only'],
    ...Object.entries(binds).map(([from, to]) => `--bind-ro=${from}:${to}`),
    '--',
    // The network is there already.
    ...['systemd.mask=systemd-networkd.service', 'systemd.mask=systemd-networkd.socket'],
    'systemd.mask=systemd-networkd-wait-online.service',
    // Of a machine with control groups of the first kind, which the image's systemd would refuse.
    ...(existsSync('/sys/fs/cgroup/cgroup.controllers') ? [] : ['SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1']),
  ]
}

async function leaderOf(child: ChildProcess, said: () => string): Promise<number> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    if (child.exitCode !== null || child.signalCode !== null) break
    const [leader] = childrenOf(child.pid)
    if (leader !== undefined && readLink(leader) && (await isUp(leader))) return leader
    await sleep(20)
  }
  child.kill('SIGKILL')
  throw new Error(`the container did not start: ${said().trim() || 'it said nothing'}`)
}

function childrenOf(pid: number | undefined): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** systemd itself, not yet nspawn that is about to become it. */
function readLink(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd'
  } catch {
    return false
  }
}

/** Its manager takes commands. */
async function isUp(pid: number): Promise<boolean> {
  const asked = await attempt`nsenter --target ${pid} --mount --pid -- test -S /run/systemd/private`
  return asked.exitCode === 0
}
