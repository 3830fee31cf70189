// A bake whose builder is on an instance, ended anywhere: the next one makes the set, and nothing else is left.
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bootstrapped } from '../bake/test/kitchen.ts'
import { endingAt } from '../upload/fixture.ts'
import { begin, finish, machines, nothingIsLeft, now, renew, run } from './test/far-bake.ts'
import { OUTPUTS } from './test/far-workshop.ts'

beforeEach(begin)
afterEach(finish)

test('ended at every step of its builder, its answer unheard: the same set, and nothing is left', async () => {
  const inIt = async (step: number) => {
    const ending = endingAt(step, 'after', now.world)
    const aws = { ...bootstrapped(ending.aws, OUTPUTS), clock: now.far.aws.clock }
    let closed = 0
    const say = (line: string) => {
      now.said.push(line)
      if (line.startsWith('Nothing is left')) closed = ending.steps()
    }
    const baked = await run({ aws, store: ending.store, say }).catch((error: unknown) => ({
      outcome: 'failed' as const,
      error,
    }))
    return { baked, ending, closed }
  }
  const first = await inIt(0)
  if (first.baked.outcome !== 'set')
    throw first.baked.outcome === 'failed' ? first.baked.error : new Error(first.baked.outcome)
  const { set } = first.baked
  expect(first.closed).toBeGreaterThan(40)
  for (let step = 1; step <= first.closed; step++) {
    await now.far.idle()
    for (const name of readdirSync(now.folder).filter((one) => one !== 'checkout'))
      rmSync(path.join(now.folder, name), { recursive: true })
    renew()
    // How often is looked whether a file is there differs from run to run, by a few.
    if (!(await inIt(step)).ending.isDead() && step > 40) break
    const { baked } = await inIt(0)
    if (baked.outcome === 'failed') throw new Error(`step ${step}`, { cause: baked.error })
    expect(baked, `step ${step}`).toMatchObject({ outcome: 'set', set })
    nothingIsLeft()
    const used = machines().filter(({ state }) => state === 'running')
    expect(used, `step ${step}`).toEqual([])
  }
}, 600_000)
