// A network for what is booted: a namespace that reaches this machine and nothing else, neither the internet nor this
// machine's own metadata service.
import { existsSync } from 'node:fs'
import { attempt, run } from './host.ts'

export interface Network {
  readonly name: string
  /** Addresses of the cable's ends: in the namespace, and on this machine. */
  readonly inside: string
  readonly outside: string
}

let count = 0

/** A namespace, and a cable from it to this machine. */
export async function makeNetwork(): Promise<Network> {
  await forgetDead()
  count += 1
  const name = `terrace-${process.pid}-${count}`
  await run`ip netns add ${name}`
  const ip = ['-n', name]
  await run`ip ${ip} link set lo up`
  // Of the range between networks (RFC 6598), in which few lie: servers may reach models there that they are told of.
  for (let tries = 0; ; tries++) {
    const second = 64 + Math.floor(Math.random() * 64)
    const third = Math.floor(Math.random() * 256)
    const fourth = Math.floor(Math.random() * 64) * 4
    const outside = `100.${second}.${third}.${fourth + 1}`
    const inside = `100.${second}.${third}.${fourth + 2}`
    const cable = `tr${second.toString(16)}x${third.toString(16)}x${fourth.toString(16)}`
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

export async function endNetwork({ name }: Network): Promise<void> {
  await attempt`ip netns delete ${name}`
}
