// Benchmarks: one file per subject (`npm run bench -- search`), one result file each (DESIGN §9).
// A benchmark calls `begin`, measures, and calls `finish` with its figures and with a bar for everything an issue
// promises, met or not. Nothing here fails: numbers are for people, tests never look at a clock.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import path from 'node:path'

export const ROOT = path.resolve(import.meta.dirname, '..')

export type Figure =
  | number
  | string
  | boolean
  | null
  | readonly Figure[]
  | { readonly [name: string]: Figure }

export interface Bar {
  /** What an issue promises, in its words. */
  readonly bar: string
  readonly value: number
  readonly limit: number
  readonly unit: string
  readonly better: 'less' | 'more'
}

export interface Run {
  readonly name: string
  readonly at: string
  readonly commit: string
  /** Tracked files differed from the commit. */
  readonly dirty: boolean
  /** One minute's load average before anything was started. An absolute bar holds below 0.5 only. */
  readonly load: number
  readonly machine: Readonly<Record<string, string | number>>
  readonly versions: Readonly<Record<string, string>>
}

/** Records where and when; call it before anything of the benchmark's own runs. `packages` are installed ones. */
export function begin(name: string, packages: readonly string[] = []): Run {
  const git = (...args: string[]) => {
    try {
      return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
    } catch {
      return ''
    }
  }
  const [first] = cpus()
  const run: Run = {
    name,
    at: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    dirty: git('status', '--porcelain', '--untracked-files=no', '--', ':!bench/results') !== '',
    load: loadavg()[0] ?? 0,
    machine: {
      cpu: first?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()} ${process.arch}`,
    },
    versions: {
      node: process.version,
      ...Object.fromEntries(packages.map((wanted) => [wanted, versionOf(wanted)])),
    },
  }
  if (run.load >= 0.5)
    console.log(`load ${run.load.toFixed(2)}: the machine is not idle, absolute figures mean little\n`)
  return run
}

function versionOf(name: string): string {
  for (const folder of ['node_modules', '.native/node_modules', 'api/node_modules', 'web/node_modules'])
    try {
      const text = readFileSync(path.join(ROOT, folder, name, 'package.json'), 'utf8')
      const found: unknown = JSON.parse(text)
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version)
    } catch {
      // not in this folder
    }
  return 'none'
}

/** Prints the table and writes bench/results/NAME.json, which is committed with the change it speaks of. */
export function finish(run: Run, figures: Readonly<Record<string, Figure>>, bars: readonly Bar[]): void {
  const flat = flatten(figures)
  const width = Math.max(20, ...flat.map(([name]) => name.length), ...bars.map(({ bar }) => bar.length))
  console.log(
    `\n${run.name} at ${run.commit.slice(0, 9)}${run.dirty ? ' (with changes)' : ''}, load ${run.load.toFixed(2)}`,
  )
  for (const [name, value] of flat) console.log(`  ${name.padEnd(width)}  ${print(value)}`)
  for (const bar of bars) {
    const sign = bar.better === 'less' ? '≤' : '≥'
    console.log(
      `${met(bar) ? '✓' : '✗'} ${bar.bar.padEnd(width)}  ${print(bar.value)} ${sign} ${bar.limit} ${bar.unit}`,
    )
  }
  write(run, figures, bars, path.join(ROOT, 'bench/results', `${run.name}.json`))
}

/** The result file alone, for what prints a table of its own. */
export function write(
  run: Run,
  figures: Readonly<Record<string, Figure>>,
  bars: readonly Bar[],
  file: string,
): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ ...run, figures, bars }, rounded, 2)}\n`)
  console.log(`written to ${path.relative(ROOT, file)}`)
}

export function met(bar: Bar): boolean {
  return bar.better === 'less' ? bar.value <= bar.limit : bar.value >= bar.limit
}

function flatten(figures: Readonly<Record<string, Figure>>, prefix = ''): [string, Figure][] {
  return Object.entries(figures).flatMap(([name, value]): [string, Figure][] =>
    isGroup(value) ? flatten(value, `${prefix}${name}.`) : [[prefix + name, value]],
  )
}

function isGroup(value: Figure): value is { readonly [name: string]: Figure } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function print(value: Figure): string {
  if (typeof value === 'number') return String(round(value))
  return Array.isArray(value) ? value.map(print).join(' ') : String(value)
}

/** Four significant digits, integers whole. */
function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4))
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? round(value) : value
}

// ---- statistics ----------------------------------------------------------------------------------

/** Linear interpolation between the two nearest ranks; NaN without values. `share` 0.95 is the 95th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** What a figure made of repeated measurements prints. */
export function spread(values: readonly number[]): {
  p50: number
  p95: number
  min: number
  max: number
  n: number
} {
  return {
    p50: median(values),
    p95: quantile(values, 0.95),
    min: quantile(values, 0),
    max: quantile(values, 1),
    n: values.length,
  }
}

// ---- processes (Linux) -----------------------------------------------------------------------------

const CLOCK_TICKS = 100

/** CPU milliseconds that a process has used, all its threads, without its children. 10 ms steps. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS
}

/** Proportional set size in bytes: shared pages are split among those who share them. */
export function pssBytes(pid: number): number {
  const kb = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Number(kb ?? Number.NaN) * 1024
}

/** Pids of the processes below this one that are alive, with their command lines. */
export function descendants(pid: number): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = []
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    let children = ''
    try {
      children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim()
    } catch {
      continue // the thread has ended meanwhile
    }
    for (const text of children === '' ? [] : children.split(' ')) {
      const child = Number(text)
      try {
        const command = readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        found.push({ pid: child, command }, ...descendants(child))
      } catch {
        // it has ended meanwhile
      }
    }
  }
  return found
}
