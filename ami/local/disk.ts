// A raw disk of a finished root, as EC2 boots it by UEFI: one kernel image in the EFI partition, the application on a
// read-only partition of its own, and the root last, so that it can grow over the volume. Nothing is mounted for it, and
// its tools are the suite's own. A change of the application leaves the root's blocks where they were.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BUILD_PACKAGES, EPOCH } from '../recipe/debian.ts'
import { HOME } from '../recipe/payload.ts'
import { fullDisk, isFull } from './host.ts'
import { debianRoot, inBuildRoot, type Root } from './rootfs.ts'

const MIB = 2 ** 20
const ESP_MIB = 64
/** Room in a root that is not yet grown: what a first boot writes. */
const ROOM_MIB = 64
const STUB = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'

/** Fixed, so that two disks of the same root are the same; what is unique to a server is made at its first boot. */
const id = (last: number) => `5b193300-0000-4000-8000-00000000000${last}`
const IDS = {
  label: id(0),
  esp: id(1),
  app: id(2),
  root: id(3),
  rootFs: id(4),
  appFs: id(5),
  hashSeed: id(6),
}
const TYPES = {
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  root: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
} as const

const FSTAB = `PARTUUID=${IDS.root} / ext4 rw,noatime,x-systemd.growfs 0 1
PARTUUID=${IDS.app} ${HOME} erofs ro,nodev,nosuid 0 0
`
/**
 * The console is what `get-console-output` shows, its last 64 KiB: only what fails is said there. EBS may be away for longer than NVMe's usual patience; AWS's own images
 * wait for it without an end.
 */
const COMMAND_LINE = [
  `root=PARTUUID=${IDS.root} rootfstype=ext4 rw rootwait`,
  'console=tty0 console=ttyS0,115200n8 net.ifnames=0',
  'nvme_core.io_timeout=4294967295 panic=10 systemd.gpt_auto=no systemd.show_status=error',
].join(' ')

export interface Disk {
  /** Of a sparse file. */
  readonly file: string
  readonly bytes: number
  /** What of it is more than a hole. */
  readonly allocatedBytes: number
}

/**
 * @param root finished by `provision`
 * @param file is replaced
 * @throws Problem when this machine's disk is full; Error when a tool fails, with what it said
 */
export async function makeDisk(root: string, file: string): Promise<Disk> {
  const tools = await debianRoot(BUILD_PACKAGES)
  const work = `${file}.work`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    writeFileSync(path.join(work, 'cmdline'), COMMAND_LINE)
    writeFileSync(path.join(work, 'fstab'), FSTAB)
    const roots = { [root]: '/srv', [path.join(work, 'fstab')]: '/srv/etc/fstab' }
    await inTools(tools, work, parts(kernelOf(root)), { ...roots, [path.join(root, HOME)]: '/media' })
    const appMib = Math.ceil(statSync(path.join(work, 'app')).size / MIB)
    const rootMib = Math.ceil((await contentMib(tools, work, roots)) * 1.1) + ROOM_MIB
    truncateSync(writeEmpty(path.join(work, 'disk')), (1 + ESP_MIB + appMib + rootMib + 1) * MIB)
    await inTools(tools, work, assemble(appMib, rootMib), roots, ['/srv/opt/terrace'])
    renameSync(path.join(work, 'disk'), file)
    const { size, blocks } = statSync(file)
    return { file, bytes: size, allocatedBytes: blocks * 512 }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The application's file system, and the EFI partition with one file: kernel, its command line, and what starts it. */
const parts = (kernel: string): string => `
mkfs.erofs --quiet -zlz4 -C65536 -T${EPOCH} -U${IDS.appFs} --all-root app /media
# Behind the last section of the stub, each at a page of its own.
next=$(objdump -h ${STUB} | awk '$2 ~ /^\\./ { print $3, $4 }' |
  while read -r size place; do echo $((0x$size + 0x$place)); done | sort -n | tail -1)
align() { echo $(( ($1 + 4095) / 4096 * 4096 )); }
osrel=$(align $next)
cmdline=$(align $((osrel + $(stat -c %s /srv/usr/lib/os-release))))
linux=$(align $((cmdline + $(stat -c %s cmdline))))
objcopy \\
  --add-section .osrel=/srv/usr/lib/os-release --change-section-vma .osrel=$osrel \\
  --add-section .cmdline=cmdline --change-section-vma .cmdline=$cmdline \\
  --add-section .linux=/srv/boot/${kernel} --change-section-vma .linux=$linux \\
  ${STUB} BOOTX64.EFI
touch --date=@${EPOCH} BOOTX64.EFI
truncate -s ${ESP_MIB}M esp
mkfs.vfat -F 32 -n ESP -i 5B193300 --invariant esp >/dev/null
mmd -i esp ::/EFI ::/EFI/BOOT
mcopy -m -i esp BOOTX64.EFI ::/EFI/BOOT/BOOTX64.EFI
`

/** Places in MiB: 1, then each behind the other. */
const assemble = (appMib: number, rootMib: number): string => `
sfdisk --quiet disk <<'END'
label: gpt
label-id: ${IDS.label}
start=1MiB, size=${ESP_MIB}MiB, type=${TYPES.esp}, uuid=${IDS.esp}, name=esp
start=${1 + ESP_MIB}MiB, size=${appMib}MiB, type=${TYPES.linux}, uuid=${IDS.app}, name=terrace
start=${1 + ESP_MIB + appMib}MiB, size=${rootMib}MiB, type=${TYPES.root}, uuid=${IDS.root}, name=root
END
dd if=esp of=disk bs=1M seek=1 conv=notrunc,sparse status=none
dd if=app of=disk bs=1M seek=${1 + ESP_MIB} conv=notrunc,sparse status=none
mke2fs -q -t ext4 -L root -U ${IDS.rootFs} -m 1 -J size=16 \\
  -E offset=$(( ${1 + ESP_MIB + appMib} * ${MIB} )),hash_seed=${IDS.hashSeed},lazy_itable_init=0,lazy_journal_init=0,nodiscard \\
  -d /srv disk ${rootMib}m
`

async function inTools(
  tools: Root,
  work: string,
  script: string,
  readable: Readonly<Record<string, string>>,
  hidden: readonly string[] = [],
): Promise<string> {
  const { exitCode, text } = await inBuildRoot(tools, script, { [work]: '/mnt' }, readable, hidden)
  if (isFull(text)) throw fullDisk(work)
  if (exitCode !== 0)
    throw new Error(`The image's disk could not be put together:\n${text.trim().slice(-2_000)}`)
  return text
}

async function contentMib(
  tools: Root,
  work: string,
  roots: Readonly<Record<string, string>>,
): Promise<number> {
  const text = await inTools(tools, work, 'du -sm /srv', roots, ['/srv/opt/terrace'])
  return Number.parseInt(text, 10)
}

function kernelOf(root: string): string {
  const kernels = readdirSync(path.join(root, 'boot')).filter((name) => name.startsWith('vmlinuz-'))
  const [kernel] = kernels
  if (kernel === undefined || kernels.length > 1)
    throw new Error(`${root} has ${kernels.length} kernels, and an image has one`)
  return kernel
}

function writeEmpty(file: string): string {
  writeFileSync(file, '')
  return file
}
