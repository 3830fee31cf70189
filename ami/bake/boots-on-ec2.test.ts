// A bake and its boots on EC2: where they stand, what its plan says of them, and what an older set lacks.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { isBootedOnEc2 } from '../../infra/images.ts'
import { imagesTestThemselves } from '../ec2/fixture.ts'
import type { BakeLine } from './arguments.ts'
import { bake } from './bake.ts'
import { account, BUCKET, bootstrapped, KEY, kitchenOf, LINE, region } from './test/kitchen.ts'
import type { Kitchen } from './work.ts'

let folder: string
let world: StandIn
let said: string[]
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-boots-'))
  world = standIn(account, region)
  world.buckets.make(BUCKET)
  imagesTestThemselves(world)
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function run(line: Partial<BakeLine> = {}, kitchen: Partial<Kitchen> = {}) {
  const all = kitchenOf(folder, world.aws, () => undefined)
  const baked = await bake(
    { ...LINE, bootTest: 'ec2', ...line },
    { ...all, say: (text) => said.push(text), ...kitchen },
  )
  return baked.outcome === 'set' ? baked.set : undefined
}
const machines = () => [...world.compute.instances.all.values()]

test('the images are booted where the bootstrap has its builders, and the record shows it', async () => {
  const set = await run()
  expect(set?.bootTests?.map(({ tier, where }) => `${tier} ${where}`)).toEqual([
    ...['api local', 'web local', 'api ec2', 'web ec2'],
  ])
  expect(set?.bootSeconds).toEqual({ api: 40, web: 30 })
  for (const { input, state } of machines()) {
    expect(input.NetworkInterfaces).toMatchObject([{ SubnetId: 'subnet-1', Groups: ['sg-1'] }])
    expect(['shutting-down', 'terminated']).toContain(state)
  }
  expect(machines()).toHaveLength(2)
  expect(said.join('\n')).toMatch(
    /booted on EC2 before they are recorded: api on t3\.medium, web on t3\.small.*USD 0\.0\d at most/,
  )
})

test('a plan says it, and starts nothing', async () => {
  await run({ dryRun: true })
  expect(said.join('\n')).toContain('booted on EC2 before they are recorded')
  expect(machines()).toEqual([])
})

test('without: the plan says who refuses such a set; the next bake of the same, too', async () => {
  const first = await run({ bootTest: 'none' })
  expect(said.join('\n')).toContain('not booted on EC2: protected stages refuse the set')
  expect(first && isBootedOnEc2(first, 'api')).toBe(false)
  said = []
  expect(await run()).toEqual(first)
  expect(said.join('\n')).toContain('Its record shows no boot on EC2, so protected stages refuse it')
  expect(machines()).toEqual([])
})

test('a set that was booted there is there, and nothing is said', async () => {
  await run()
  said = []
  await run()
  expect(said.join('\n')).not.toContain('EC2')
  expect(machines()).toHaveLength(2)
})

test('a bootstrap that knows no place for them is said before anything is made; without such boots it will do', async () => {
  const aws = bootstrapped(world.aws, [{ OutputKey: 'ImageKey', OutputValue: KEY }])
  await expect(run({}, { aws })).rejects.toThrow(/BuilderSubnet1.*npm run bootstrap.*Nothing was made/s)
  expect(world.buckets.keys(BUCKET)).toEqual([])
  expect(await run({ bootTest: 'none' }, { aws })).toBeDefined()
})
