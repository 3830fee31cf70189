// Makes a finished root out of a Debian with the right packages: files, user, units, application. The same for a folder
// that becomes a disk here and for `/` of a builder instance.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { $ } from 'zx'
import { installAgent } from '../agents/install.ts'
import { writeSbom } from '../sbom/sbom.ts'
import { EPOCH, type Tier } from './debian.ts'
import { HOME, type ImageFacts, type Parts, writePayload } from './payload.ts'

const TREE = path.join(import.meta.dirname, 'tree')
const UNITS = 'etc/systemd/system'

/** Servers of one tier; every other unit of ours is for both. */
const OURS: Readonly<Record<Tier, readonly string[]>> = {
  api: ['terrace-api.service', 'terrace-ingest.service', 'terrace-self-check.service'],
  web: ['terrace-web.service'],
}
const DEBIANS = ['systemd-networkd.service', 'chrony.service']
/** Nobody signs in, nothing updates itself: an image is replaced. */
const MASKED = [
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'e2scrub_reap.service',
  ],
  ...['getty@tty1.service', 'serial-getty@ttyS0.service', 'console-getty.service', 'ctrl-alt-del.target'],
]

/** @throws ProcessOutput of the command that failed, or an error of the file system */
export async function provision(root: string, facts: ImageFacts, parts: Parts): Promise<void> {
  const run = $({ quiet: true })
  const { tier } = facts
  cpSync(TREE, root, { recursive: true, force: true })
  for (const other of Object.entries(OURS).flatMap(([name, units]) => (name === tier ? [] : units)))
    rmSync(path.join(root, UNITS, other), { force: true })
  await run`systemd-sysusers --root=${root}`
  writePayload(root, facts, parts)
  for (const agent of parts.agents) await installAgent(agent, root)
  await writeSbom(root, { ...parts, tier, release: facts.release })
  await run`chmod -R u=rwX,go=rX ${path.join(root, HOME)} ${path.join(root, 'etc/terrace')}`
  await run`chown -R 0:0 ${path.join(root, HOME)} ${path.join(root, 'etc/terrace')}`
  await run`systemctl --root=${root} enable ${[...DEBIANS, ...started(root)]}`
  await run`systemctl --root=${root} mask ${MASKED}`
  await run`systemctl --root=${root} set-default multi-user.target`
  forgetMachine(root)
  await run`find ${root} -xdev -newermt @${EPOCH} -exec touch --no-dereference --date=@${EPOCH} {} +`
}

/** Units of ours that are in the root and are to be started with it: those that say by what. */
const started = (root: string): string[] =>
  readdirSync(path.join(root, UNITS)).filter(
    (unit) =>
      /^terrace-[\w-]+\.\w+$/.test(unit) &&
      /^\[Install\]$/m.test(readFileSync(path.join(root, UNITS, unit), 'utf8')),
  )

/** What must differ from server to server, or says where it was made. */
function forgetMachine(root: string): void {
  for (const name of readdirSync(path.join(root, 'etc')))
    if (/^(?:passwd|group|shadow|gshadow|subuid|subgid)-$/.test(name)) rmSync(path.join(root, 'etc', name))
  rmSync(path.join(root, 'var/lib/dbus/machine-id'), { force: true })
  mkdirSync(path.join(root, 'var/log/journal'), { recursive: true })
  rmSync(path.join(root, 'etc/localtime'), { force: true })
  symlinkSync('/usr/share/zoneinfo/Etc/UTC', path.join(root, 'etc/localtime'))
}
