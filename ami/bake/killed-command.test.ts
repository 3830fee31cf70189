// `npm run bake -- --builder ec2` as it is, killed while its builder is on an instance and afterwards: whoever runs it again gets the
// one image set, and nothing else is left. Only the account is not real, and what the instances' builders make is a few bytes.
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { readSet } from '../image-set/record.ts'
import {
  type Account,
  type Bake,
  type Clone,
  cloneHere,
  isBootTest,
  openAccount,
} from './test/command-process.ts'
import type { Asked } from './test/far.ts'
import { BUCKET, HOME } from './test/kitchen.ts'

let clone: Clone
beforeAll(() => {
  clone = cloneHere()
})
afterAll(() => clone?.remove())
/** Disks that were made are known to whoever bakes next. */
const forget = () => rmSync(path.join(clone.root, '.images'), { recursive: true, force: true })
beforeEach(forget)

type Moment = (asked: Asked, world: StandIn) => boolean
const textOf = (input: unknown, name: string) => String(Reflect.get(Object(input), name) ?? '')
const operation =
  (name: string): Moment =>
  (asked) =>
    asked.operation === name
/** An order is given to the builder, or one of its objects is read. */
const order =
  (what: string): Moment =>
  ({ operation: name, input }) =>
    name === 'PutObject' &&
    textOf(input, 'Key').endsWith('/orders.json') &&
    textOf(input, 'Body').includes(`"do":"${what}"`)
const object =
  (name: string, key: RegExp): Moment =>
  (asked) =>
    asked.operation === name && key.test(textOf(asked.input, 'Key'))
const bootTest =
  (name: string): Moment =>
  ({ operation: asked, input }, world) => {
    if (asked !== name) return false
    if (name !== 'RunInstances') return isBootTest(world, textOf(input, 'InstanceId'))
    return Buffer.from(textOf(input, 'UserData'), 'base64').toString().startsWith('{')
  }

/** What was there before anybody baked is Debian's. */
const owned = ({ compute: { images, snapshots } }: StandIn) => ({
  images: [...images.all.values()].filter(({ name }) => name !== 'debian'),
  snapshots: [...snapshots.all.values()].filter(({ description }) => description !== ''),
})
function nothingRunsOrWaits({ compute, buckets }: StandIn): void {
  for (const { state } of compute.instances.all.values())
    expect(['shutting-down', 'terminated']).toContain(state)
  // Whatever was signed for a builder is an address of one of these.
  expect(buckets.keys(BUCKET).filter((key) => key.startsWith(LAYOUT.bakes))).toEqual([])
  const journals = readdirSync(path.join(clone.root, '.bakes')).filter((name) => !name.endsWith('.lock'))
  expect(journals).toEqual([])
}
function onlyWhatIsRecorded(world: StandIn, set: ImageSet): void {
  const { api, web } = set.regions[HOME.region] ?? {}
  const { images, snapshots } = owned(world)
  expect(images.map(({ id }) => id).sort()).toEqual([api, web].sort())
  expect(snapshots.map(({ id }) => id).sort()).toEqual(images.map(({ snapshot }) => snapshot).sort())
  expect(world.buckets.keys(BUCKET)).toEqual([
    LAYOUT.base(set.inputs),
    LAYOUT.packages(set.packages ?? ''),
    LAYOUT.sbom(set.sbom ?? ''),
    LAYOUT.record(set.inputs),
    LAYOUT.staticFiles(set.pages?.files ?? ''),
  ])
  nothingRunsOrWaits(world)
}

async function recorded({ world }: Account, { ended }: Bake, how: string): Promise<ImageSet> {
  const { code, said } = await ended
  expect(said).toContain(`${how}: image set `)
  expect(code).toBe(0)
  const [, inputs = ''] = /: image set (\w+)/.exec(said) ?? []
  const set = await readSet(world.aws, HOME, inputs)
  if (set === undefined) throw new Error(said)
  return set
}

/** In the order in which a bake that goes on gets there. */
const KILLED: readonly (readonly [string, 'before' | 'after', Moment])[] = [
  ['its builder is asked for', 'before', operation('RunInstances')],
  ['its builder is launched', 'after', operation('RunInstances')],
  ['the lists are ordered', 'after', order('lists')],
  ['a disk is ordered', 'after', order('make')],
  ['a disk comes back', 'before', object('GetObject', /\/api\/disk-0$/)],
  ['the last disk is back', 'after', object('GetObject', /\/web\/disk-0$/)],
  ['the boots are ordered', 'after', order('boot')],
  ['the builder has ended', 'after', operation('TerminateInstances')],
  ['a snapshot is begun', 'after', operation('StartSnapshot')],
  ['an image is registered', 'after', operation('RegisterImage')],
  ['a boot test is launched', 'after', bootTest('RunInstances')],
  ['a boot test runs', 'before', bootTest('GetConsoleOutput')],
  ['the record is written', 'after', object('PutObject', /^image-sets\//)],
]

test('killed again and again, wherever it is, the command gets there: one set, and nothing else is left', async () => {
  let at: (typeof KILLED)[number] | undefined
  let victim: Bake | undefined
  await using account = await openAccount(clone, async (when, asked) => {
    if (at === undefined || at[1] !== when || !at[2](asked, account.world)) return
    victim?.child.kill('SIGKILL')
    await victim?.ended
  })
  for (at of KILLED) {
    victim = account.bake()
    expect((await victim.ended).code, at[0]).toBe('SIGKILL')
  }
  at = undefined
  const set = await recorded(account, account.bake(), 'Nothing was made')
  onlyWhatIsRecorded(account.world, set)
  // What had come here was not made again, and both tiers have one image each.
  expect(account.begun.lastIndexOf('make web')).toBeLessThan(account.begun.indexOf('boot api web'))
  const registered = account.world.calls.filter(({ operation: name }) => name === 'RegisterImage')
  expect(new Set(registered.map(({ input }) => textOf(input, 'Name'))).size).toBe(2)

  forget()
  await using another = await openAccount(clone, () => undefined)
  const whole = await recorded(another, another.bake(), 'Recorded')
  onlyWhatIsRecorded(another.world, whole)
  // When it was made is another time.
  const { inputs, release, commit, packages, pages, sbom } = whole
  expect(set).toMatchObject({ inputs, release, commit, packages, pages, sbom })
}, 600_000)

test.each<[string, Moment, RegExp]>([
  ['a disk is made', order('make'), /Nothing is left of the builder: its instance is gone/],
  ['an image is booted', bootTest('GetConsoleOutput'), /The bake was ended\. Removed: ami-/],
])('Ctrl-C while %s: all is taken back, and it says what', async (_, moment, says) => {
  let victim: Bake | undefined
  await using account = await openAccount(clone, (when, asked) => {
    if (when === 'after' && moment(asked, account.world)) victim?.child.kill('SIGINT')
  })
  victim = account.bake()
  const { code, said } = await victim.ended
  expect(said).toMatch(/Ending: what was begun is taken back/)
  expect(said).toMatch(says)
  expect(code).toBe(130)
  expect(owned(account.world)).toEqual({ images: [], snapshots: [] })
  nothingRunsOrWaits(account.world)
})
