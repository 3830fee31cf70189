// The stand-in of all other tests is right only as far as something that is not ours says the same: it and two emulators
// are asked the same, call by call.
import { describe, expect, test } from 'vitest'
import { type Aws, whoAmI } from '../../../aws/port.ts'
import { standIn } from '../../../aws/stand-in/stand-in.ts'
import { askAll, type Emulator, unexplained } from './calls/call.ts'
import { ABSENT, callsOf, DIFFERENCES } from './calls/differences.ts'
import { inEmulator, inStandIn } from './calls/prepared.ts'
import { startMoto } from './moto.ts'
import { SCENARIO_MS, target, visit, visitElsewhere } from './visit.ts'

async function compared(emulator: Emulator, aws: Aws): Promise<string[]> {
  const { account } = await whoAmI(aws)
  const world = standIn(account)
  const calls = callsOf(emulator)
  const ours = await askAll(world.aws, calls, await inStandIn(world))
  const theirs = await askAll(aws, calls, await inEmulator(emulator, aws))
  return unexplained(emulator, ours, theirs, DIFFERENCES, ABSENT[emulator])
}

// The table of differences is these emulators'; and in an account these calls would take and make too much.
describe.runIf(target.kind === 'ministack')('the same calls', () => {
  test(
    'are answered by ministack alike, but for what is explained',
    async () => {
      using here = await visit()
      expect(await compared('ministack', here.bare)).toEqual([])
    },
    SCENARIO_MS,
  )
})

describe.runIf(target.isOwn)('the same calls', () => {
  test(
    'are answered by moto alike, but for what is explained',
    async () => {
      await using moto = await startMoto()
      expect(await compared('moto', visitElsewhere(moto.endpoint))).toEqual([])
    },
    SCENARIO_MS,
  )
})
