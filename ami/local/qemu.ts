// Boots a raw disk in a virtual machine: firmware, kernel, drivers and first boot of the very bytes that are uploaded.
// A copy of the disk is attached as Nitro does it, by NVMe. The machine's network reaches this one alone.
import { spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { needRoot, needTools, run } from './host.ts'
import { STUB } from './metadata.ts'
import { endNetwork, makeNetwork } from './network.ts'

const FIRMWARE = '/usr/share/OVMF'
const MEMORY_MIB = 2048
/** The metadata's address has to lie in the network that QEMU makes up. */
const LINK_LOCAL = 'net=169.254.0.0/16,dhcpstart=169.254.10.10,host=169.254.0.2,dns=169.254.169.253'

export interface Machine extends AsyncDisposable {
  /** Where this machine reaches its ports, and it reaches this machine. */
  readonly address: string
  readonly host: string
  /** Seconds of processor that it has used: unlike its time, no other load of this machine changes them. */
  cpuSeconds(): number
  /** What it wrote to its serial console. */
  console(): string
  /** Whether it still runs. */
  running(): boolean
}

export interface MachineOptions {
  /** Size of the volume, in GiB; a volume is never smaller than its image, and mostly greater. Default: the image's. */
  readonly volumeGiB?: number
  /** Ports of it that are reached at `address`. */
  readonly ports: readonly number[]
  /**
   * systemd's credentials (systemd.system-credentials(7)), by name: a way in that nothing on the disk is changed for. This machine's
   * address may stand in them.
   */
  readonly credentials?: (host: string) => Readonly<Record<string, string>>
  /** File that its metadata are read from (ami/boot/imds-stub.ts), in which this machine's address may stand. Default: none. */
  readonly metadata?: (host: string) => Promise<string>
}

/** @throws Problem when this machine lacks something; Error when the virtual machine ends at once */
export async function bootMachine(disk: string, options: MachineOptions): Promise<Machine> {
  needRoot()
  await needTools('qemu-system-x86', 'ovmf', 'iproute2')
  await using stack = new AsyncDisposableStack()
  const network = await makeNetwork()
  stack.defer(() => endNetwork(network))
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-machine-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const metadata = await options.metadata?.(network.outside)
  const serial = path.join(folder, 'serial.log')
  const volume = path.join(folder, 'volume.raw')
  await run`cp --sparse=always --reflink=auto ${disk} ${volume}`
  if (options.volumeGiB !== undefined) truncateSync(volume, options.volumeGiB * 2 ** 30)
  const forwards = options.ports.map((port) => `,hostfwd=tcp:${network.inside}:${port}-:${port}`).join('')
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', network.name, 'qemu-system-x86_64'],
      ...['-machine', 'q35', ...processor(), '-m', String(MEMORY_MIB), '-smp', '2'],
      ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', `file:${serial}`],
      ...['-device', 'virtio-rng-pci'],
      ...['-drive', `if=pflash,format=raw,readonly=on,file=${FIRMWARE}/OVMF_CODE_4M.fd`],
      ...['-drive', `if=pflash,format=raw,snapshot=on,file=${FIRMWARE}/OVMF_VARS_4M.fd`],
      ...['-drive', `if=none,id=volume,format=raw,file=${volume},cache=unsafe`],
      ...['-device', 'nvme,drive=volume,serial=vol0123456789abcdef0'],
      ...['-netdev', `user,id=net,${LINK_LOCAL}${forwards}${metadata ? stub(metadata) : ''}`],
      ...['-device', 'virtio-net-pci,netdev=net,romfile='],
      ...credentials(folder, options.credentials?.(network.outside) ?? {}),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const all = stack.move()
  const running = () => child.exitCode === null && child.signalCode === null
  return {
    address: network.inside,
    host: network.outside,
    running,
    cpuSeconds: () => cpuSeconds(child.pid),
    console: () => (read(serial) + said).replaceAll('\r', ''),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await all.disposeAsync()
    },
  }
}

/** A process for each connection, that speaks on stdin and stdout. */
const stub = (file: string) =>
  `,guestfwd=tcp:169.254.169.254:80-cmd:${process.execPath} ${STUB} ${file}`.replaceAll(/(?<=cmd:.*),/g, ',,')

/** Fields 14 and 15 of proc_pid_stat(5), in hundredths. */
function cpuSeconds(pid: number | undefined): number {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100
}

/** As strings of the firmware's tables (SMBIOS type 11), which systemd reads in a virtual machine. */
function credentials(folder: string, texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(texts).flatMap(([name, text], index) => {
    const file = path.join(folder, `credential-${index}`)
    const value = Buffer.from(text).toString('base64')
    writeFileSync(file, `io.systemd.credential.binary:${name}=${value}`, { mode: 0o600 })
    return ['-smbios', `type=11,path=${file}`]
  })
}

/**
 * Hardware only where there really is some: a machine may have /dev/kvm without it, and then boots nothing.
 */
function processor(): string[] {
  const hardware = /^flags\s*:.*\b(?:vmx|svm)\b/m.test(read('/proc/cpuinfo')) && canOpen('/dev/kvm')
  return hardware
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max']
}

function canOpen(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
