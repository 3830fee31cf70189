// Boots a root in a container (systemd-nspawn): the image's own systemd, units and sandbox in seconds; the kernel is this
// machine's. Nothing in the root is changed: what the container writes lies in memory. It has a network with this
// machine alone, so that it can't ask this machine's own metadata service.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { attempt, needRoot, needTools, run } from './host.ts'

export interface Container extends AsyncDisposable {
  /** Where this machine reaches it, and it reaches this machine. */
  readonly address: string
  readonly host: string
  /** Of its first process, in this machine's numbers. */
  readonly leader: number
  exec(...command: readonly string[]): Promise<{ code: number; text: string }>
  /** Lines of the journal, of one unit or of all. */
  journal(unit?: string): Promise<string>
  /** As a machine that is switched off: units are stopped in order. */
  stop(): Promise<void>
}

export interface ContainerOptions {
  /** File or folder of this machine → place in the container, read-only. */
  readonly binds?: Readonly<Record<string, string>>
  /** Files of the container's own, readable by its root only: place → text, in which this machine's address may stand. */
  readonly files?: (host: string) => Readonly<Record<string, string>>
}

let count = 0

/** @throws Error when it does not start; Problem when the machine lacks something */
export async function bootContainer(root: string, options: ContainerOptions = {}): Promise<Container> {
  needRoot()
  await needTools('systemd-container', 'iproute2')
  count += 1
  const network = await makeNetwork(`terrace-${process.pid}-${count}`)
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-container-'))
  const binds = { ...options.binds, ...writeFiles(folder, options.files?.(network.outside) ?? {}) }
  const command = ['--pdeathsig', 'KILL', 'systemd-nspawn', ...nspawnArguments(root, network, binds)]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const leader = await leaderOf(child, () => said)
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
    await attempt`ip netns delete ${network.name}`
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    address: network.inside,
    host: network.outside,
    leader,
    exec,
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
    ...['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=pipe'],
    ...Object.entries(binds).map(([from, to]) => `--bind-ro=${from}:${to}`),
    '--',
    // The network is there already.
    ...['systemd.mask=systemd-networkd.service', 'systemd.mask=systemd-networkd.socket'],
    'systemd.mask=systemd-networkd-wait-online.service',
    // Of a machine with control groups of the first kind, which the image's systemd would refuse.
    ...(existsSync('/sys/fs/cgroup/cgroup.controllers') ? [] : ['SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1']),
  ]
}

interface Network {
  readonly name: string
  readonly inside: string
  readonly outside: string
}

/** A namespace, and a cable from it to this machine. */
async function makeNetwork(name: string): Promise<Network> {
  await forgetDead()
  await run`ip netns add ${name}`
  const ip = ['-n', name]
  await run`ip ${ip} link set lo up`
  // Of the range for tests between networks (RFC 2544), in which no VPC and no office lies.
  for (let tries = 0; ; tries++) {
    const third = Math.floor(Math.random() * 256)
    const fourth = Math.floor(Math.random() * 64) * 4
    const outside = `198.18.${third}.${fourth + 1}`
    const inside = `198.18.${third}.${fourth + 2}`
    const cable = `tr${third.toString(16)}x${fourth.toString(16)}`
    const made = await attempt`ip link add ${cable} type veth peer name host0 netns ${name}`
    if (made.exitCode !== 0 && tries < 20) continue
    if (made.exitCode !== 0) throw new Error(`no network for a container: ${made.stderr.trim()}`)
    await run`ip address add ${outside}/30 dev ${cable}`
    await run`ip link set ${cable} up`
    await run`ip ${ip} address add ${inside}/30 dev host0`
    await run`ip ${ip} link set host0 up`
    return { name, inside, outside }
  }
}

/** Networks of test runs that were killed. */
async function forgetDead(): Promise<void> {
  const { stdout } = await attempt`ip netns list`
  for (const line of stdout.split('\n')) {
    const [, name, pid] = /^(terrace-(\d+)-\d+)/.exec(line) ?? []
    if (name && pid && !existsSync(`/proc/${pid}`)) await attempt`ip netns delete ${name}`
  }
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
