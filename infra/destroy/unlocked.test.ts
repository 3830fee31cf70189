// Locks that can't be taken off: of what has happened before that, nothing else is said than what is so.
import { beforeEach, expect, test } from 'vitest'
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { changing, deployed, isLocked, run, STACK } from './rehearsal.ts'

let there: StandIn
beforeEach(async () => {
  there = await deployed()
})
const stack = () => there.stacks.find(STACK)

test('an update that would do more than that is not made, and its servers are said to be gone', async () => {
  stack()?.saidReplacements.set('Database', 'True')
  const error: unknown = await run(there).catch((thrown: unknown) => thrown)
  expect(String(error)).toContain('Taking the locks off terrace-prod would also change Database.')
  expect(String(error)).toContain('No lock was taken off. Its servers are gone already:')
  expect(String(error)).not.toContain('Nothing was changed')
  expect(isLocked(there)).toBe(true)
  expect(changing(there)).not.toContain('ExecuteChangeSet')
})

test('a stack that is stuck serves on: its locks could not be taken off', async () => {
  stack()?.becomes('UPDATE_ROLLBACK_FAILED')
  await there.clock.sleep(60_000)
  let questions = 0
  await expect(run(there, { agrees: async () => ++questions > 0 })).rejects.toThrow(
    /terrace-prod is UPDATE_ROLLBACK_FAILED: AWS changes nothing(.|\n)*continue-update-rollback/,
  )
  expect([questions, changing(there)]).toEqual([0, []])
})
