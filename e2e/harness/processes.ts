// Which processes belong to a started product, by what they are. From /proc: Linux only.
// Children get a narrow environment, so a process belongs when it carries the data folder's name or its parent belongs.
// What was seen once is remembered: an orphan has lost its parent, and may carry no name.
import { readdirSync, readFileSync } from 'node:fs'

const KINDS: readonly [string, RegExp][] = [
  ['main', /local\/(start\.mjs|main\.ts)/],
  ['postgres-keeper', /local\/postgres-keeper\.ts/],
  ['postgres', /bin\/postgres -D|^postgres:/],
  ['index', /api\/src\/index\/process\.ts/],
  ['parser', /api\/src\/ingest\/parse\//],
  ['ingest', /api\/src\/ingest\/process\.ts/],
  ['api', /api\/src\/main\.ts/],
  ['web', /server\.js|next-server/],
]

interface Seen {
  readonly pid: number
  readonly parent: number
  /** With the id it names one process for good. */
  readonly began: string
  readonly command: string
  readonly zombie: boolean
}

const remembered = new Map<string, Map<number, string>>()

/** Ids by kind, the oldest first; PostgreSQL's own children are left out. */
export function processesOf(home: string): Record<string, number[]> {
  const known = remembered.get(home) ?? new Map<number, string>()
  remembered.set(home, known)
  const all = running().filter(({ zombie }) => !zombie)
  const members = new Set(
    all
      .filter(({ pid, began, command }) => known.get(pid) === began || carries(pid, command, home))
      .map(({ pid }) => pid),
  )
  for (let grown = true; grown; ) {
    const children = all.filter(({ pid, parent }) => !members.has(pid) && members.has(parent))
    for (const { pid } of children) members.add(pid)
    grown = children.length > 0
  }
  const found: Record<string, number[]> = {}
  for (const { pid, began, command } of all) {
    if (!members.has(pid)) continue
    known.set(pid, began)
    if (command.startsWith('postgres:')) continue
    const kind = KINDS.find(([, pattern]) => pattern.test(command))?.[0] ?? 'other'
    found[kind] = [...(found[kind] ?? []), pid]
  }
  return found
}

function carries(pid: number, command: string, home: string): boolean {
  if (command.includes(`-D ${home}/`)) return true
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some((entry) => entry === `TERRACE_HOME=${home}` || entry.startsWith(`KEEPER_DATA=${home}/`))
  } catch {
    return false
  }
}

function running(): Seen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
        const [state, parent, began] = [fields[0], Number(fields[1]), fields[19] ?? '']
        return [{ pid: Number(name), parent, began, command, zombie: state === 'Z' }]
      } catch {
        return []
      }
    })
    .sort((a, b) => a.pid - b.pid)
}
