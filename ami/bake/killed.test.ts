// A bake that is ended anywhere, from its first question to its last: the next one makes the set, and nothing else is left.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { imagesTestThemselves } from '../ec2/fixture.ts'
import { endingAt } from '../upload/fixture.ts'
import { bake } from './bake.ts'
import { type Asked, serveStandIn } from './test/far.ts'
import { account, BUCKET, HOME, kitchenOf, LINE, region } from './test/kitchen.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-killed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function newWorld(): StandIn {
  const world = standIn(account, region)
  world.buckets.make(BUCKET)
  imagesTestThemselves(world)
  return world
}

function onlyWhatIsRecorded({ compute, buckets }: StandIn, set: ImageSet): void {
  const { api, web } = set.regions[HOME.region] ?? {}
  expect([...compute.images.all.keys()].sort()).toEqual([api, web].sort())
  const used = [...compute.images.all.values()].map(({ snapshot }) => snapshot)
  expect([...compute.snapshots.all.keys()].sort()).toEqual(used.sort())
  expect(buckets.keys(BUCKET)).toEqual([
    LAYOUT.base(set.inputs),
    LAYOUT.packages(set.packages ?? ''),
    LAYOUT.sbom(set.sbom ?? ''),
    LAYOUT.record(set.inputs),
    LAYOUT.staticFiles(set.pages?.files ?? ''),
  ])
  expect(readdirSync(path.join(folder, 'journals'))).toEqual([])
  for (const { state } of compute.instances.all.values())
    expect(['shutting-down', 'terminated']).toContain(state)
  expect(set.bootTests?.filter(({ where }) => where === 'ec2').map(({ tier }) => tier)).toEqual([
    'api',
    'web',
  ])
}

/** When an image was booted is another time in each run. */
const timeless = ({ bootTests, ...set }: ImageSet) => ({
  ...set,
  bootTests: bootTests?.map(({ at: _, ...one }) => one),
})

test('ended at every step, its answer unheard, with either disk: the same set, and nothing is left behind', async () => {
  const inIt = async (step: number, world: StandIn) => {
    const ending = endingAt(step, 'after', world)
    const told: string[] = []
    const kitchen = kitchenOf(folder, ending.aws, (what) => ending.take(async () => told.push(what)))
    const baked = await bake({ ...LINE, bootTest: 'ec2' }, kitchen).catch((error: unknown) => ({
      outcome: 'failed' as const,
      error,
    }))
    return { baked, ending, told }
  }
  const clean = newWorld()
  const { baked: whole, ending, told } = await inIt(0, clean)
  if (whole.outcome !== 'set') throw whole.outcome === 'failed' ? whole.error : new Error(whole.outcome)
  expect(told).toEqual(['make api', 'make web', 'look api web', 'boot api web'])
  onlyWhatIsRecorded(clean, whole.set)
  const steps = ending.steps()
  expect(steps).toBeGreaterThan(45)
  for (let step = 1; step <= steps; step++) {
    for (const name of readdirSync(folder)) rmSync(path.join(folder, name), { recursive: true })
    const world = newWorld()
    const first = await inIt(step, world)
    expect(first.ending.isDead(), `step ${step}`).toBe(true)
    const { baked } = await inIt(0, world)
    if (baked.outcome !== 'set') throw baked.outcome === 'failed' ? baked.error : new Error(baked.outcome)
    expect(timeless(baked.set), `step ${step}`).toEqual(timeless(whole.set))
    onlyWhatIsRecorded(world, baked.set)
  }
})

/** Where a process is killed, in the order in which one that goes on gets there. */
const KILLED = [
  ['make web', 1, 'before'],
  ['look api web', 1, 'after'],
  ['boot api web', 1, 'after'],
  // The SBOM.
  ['PutObject', 2, 'after'],
  ['StartSnapshot', 1, 'after'],
  ['PutSnapshotBlock', 2, 'after'],
  ['RegisterImage', 1, 'after'],
  ['StartSnapshot', 1, 'before'],
  ['PutSnapshotBlock', 3, 'before'],
  ['CompleteSnapshot', 1, 'after'],
  ['RegisterImage', 1, 'before'],
  ['RunInstances', 1, 'after'],
  ['GetConsoleOutput', 2, 'before'],
  ['TerminateInstances', 1, 'after'],
  ['RunInstances', 1, 'before'],
  ['TerminateInstances', 1, 'before'],
  // The record.
  ['PutObject', 4, 'after'],
] as const

test('a process that is killed again and again, at every stage of its way, gets there', async () => {
  const world = newWorld()
  let victim: ReturnType<typeof run> | undefined
  let at: (typeof KILLED)[number] | undefined
  let met = 0
  const begun: string[] = []
  const kill = async (when: 'before' | 'after', { service, operation }: Asked) => {
    if (service === 'builder' && when === 'before') begun.push(operation)
    if (at === undefined || operation !== at[0] || when !== at[2] || ++met !== at[1]) return
    victim?.child.kill('SIGKILL')
    await victim?.ended
  }
  await using far = await serveStandIn(world, kill)
  const run = () => {
    const child = spawn(process.execPath, [
      path.join(import.meta.dirname, 'test/process.ts'),
      folder,
      far.address,
    ])
    let said = ''
    for (const output of [child.stdout, child.stderr])
      output.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    const ended = new Promise<string>((resolve) =>
      child.once('close', (_code, signal) => resolve(signal ?? said)),
    )
    return { child, ended }
  }
  for (at of KILLED) {
    met = 0
    victim = run()
    expect(await victim.ended, at.join(' ')).toBe('SIGKILL')
  }
  at = undefined
  const last: { outcome: string; set: ImageSet } = JSON.parse(await run().ended)
  expect(last.outcome).toBe('set')
  onlyWhatIsRecorded(world, last.set)
  // What was finished is not begun again; only what is known of weaknesses may be another by now. The first run
  // does not get there, the last one finds the record.
  const looked = begun.filter((what) => what === 'look api web')
  expect(looked).toHaveLength(KILLED.length - 1)
  expect(begun.filter((what) => what !== 'look api web')).toEqual([
    'make api',
    'make web',
    'make web',
    'boot api web',
    'boot api web',
  ])
  const made = world.calls.filter(({ operation }) => operation === 'RegisterImage')
  expect(new Set(made.map(({ input }) => input.Name)).size).toBe(2)
}, 120_000)
