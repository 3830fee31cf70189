// `npm run bench -- bake`: what a bake on this machine takes, with nothing there, with its base there and when nothing has changed,
// how great its disks are, and how long they take to boot and to answer. As root on a Debian or Ubuntu; about ten minutes.
// What was baked here before is put aside and back again.
import { spawn } from 'node:child_process'
import { existsSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type Bar, begin, finish, ROOT, spread } from './harness.ts'

const UNCHANGED = 5
const PLACES = ['.images', '.native/web'].map((name) => path.join(ROOT, name))
const aside = (place: string) => `${place}.before-bench`
const BAKE = ['ami/bake/command.ts', '--builder', 'local', '--tier', 'all', '--no-upload', '--allow-dirty']

interface Line {
  /** Seconds since the program began. */
  readonly at: number
  readonly text: string
}

/** @param until the program is told to end there, and how it ends counts for nothing */
async function lines(args: readonly string[], until?: RegExp): Promise<{ said: Line[]; seconds: number }> {
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  const child = spawn(process.execPath, args, {
    ...{ cwd: ROOT, env: { ...process.env, NO_COLOR: '1' } },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: Line[] = []
  let isEnough = false
  createInterface({ input: child.stdout }).on('line', (text) => {
    said.push({ at: since(), text })
    if (isEnough || until?.test(text) !== true) return
    isEnough = true
    child.kill('SIGINT')
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  if (status !== 0 && !isEnough)
    throw new Error(`${args.join(' ')} ended with ${status}:\n${said.map(({ text }) => text).join('\n')}`)
  return { said, seconds: since() }
}

const DISKS = /^✔ Disk of web/
function found(said: readonly Line[], pattern: RegExp): { at: number; values: number[] } {
  for (const { at, text } of said) {
    const match = pattern.exec(text)
    if (match !== null) return { at, values: match.slice(1).map(Number) }
  }
  throw new Error(`nothing says ${pattern}`)
}
/** In MiB: of the file, and what of it is more than a hole. */
const sizeOf = (said: readonly Line[], tier: string) =>
  found(said, new RegExp(`^✔ Disk of ${tier}: (\\d+) MiB, (\\d+) of them not empty`)).values

const run = begin('bake')
for (const place of PLACES) {
  if (existsSync(aside(place)))
    throw new Error(`${aside(place)} is there: an earlier run was ended. Put it back.`)
  if (existsSync(place)) renameSync(place, aside(place))
}
try {
  const cold = await lines(BAKE)
  const booted = found(cold.said, /^✔ Boot tests: api ready after ([\d.]+) s, web ready after ([\d.]+) s/)
  const unchanged: number[] = []
  for (let round = 0; round < UNCHANGED; round++) unchanged.push((await lines(BAKE)).seconds)
  // The base is Debian's roots, packages of npm and the addon; pages, roots with the application, and disks are made anew.
  for (const name of ['.images/bakes', '.images/api-root', '.images/web-root', '.native/web'])
    rmSync(path.join(ROOT, name), { recursive: true, force: true })
  const based = await lines(BAKE, DISKS)
  const virtual = await lines(['local/test-images.mjs', 'disk.image'])
  const ready = found(virtual.said, /^api: ready after ([\d.]+) s/).values[0] ?? Number.NaN
  const cited = found(virtual.said, /^api: answer with a citation after ([\d.]+) s/).values[0] ?? Number.NaN
  const [api, web] = ['api', 'web'].map((tier) => sizeOf(cold.said, tier))
  const bar = (name: string, value: number, limit: number, unit: string): Bar => ({
    ...{ bar: name, value, limit, unit, better: 'less' },
  })
  finish(
    run,
    {
      coldDisksS: found(cold.said, DISKS).at,
      coldWithBootTestsS: cold.seconds,
      bootTestsS: booted.values,
      basedDisksS: found(based.said, DISKS).at,
      unchangedS: spread(unchanged),
      apiMib: api ?? [],
      webMib: web ?? [],
      apiReadyS: ready,
      apiCitedS: cited,
    },
    [
      bar('both disks, nothing there', found(cold.said, DISKS).at, 180, 's'),
      bar('both disks, the base there', found(based.said, DISKS).at, 60, 's'),
      bar('the same inputs again', spread(unchanged).p50, 5, 's'),
      bar('the API’s image, allocated, with weights', api?.[1] ?? Number.NaN, 1_200, 'MiB'),
      bar('the web image, allocated', web?.[1] ?? Number.NaN, 700, 'MiB'),
      bar('a virtual machine is ready', ready, 90, 's'),
      bar('it has answered with a citation', cited, 180, 's'),
    ],
  )
} finally {
  for (const place of PLACES) {
    if (!existsSync(aside(place))) continue
    rmSync(place, { recursive: true, force: true })
    renameSync(aside(place), place)
  }
}
