import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { add, tallyLine, vitestTally } from './tally.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-tally-'))
const report = path.join(folder, 'report.json')
function tallyOf(numbers: object, exitCode: number) {
  writeFileSync(report, JSON.stringify(numbers))
  return vitestTally(report, exitCode)
}
const clean = { success: true, numPassedTests: 5, numFailedTests: 0, numPendingTests: 1, numTodoTests: 1 }

test('counts come from the report', () => {
  expect(tallyOf(clean, 0)).toEqual({ passed: 5, failed: 0, skipped: 2 })
  expect(tallyOf({ ...clean, success: false, numFailedTests: 3 }, 1)).toMatchObject({ failed: 3 })
})

test('a run that failed without a failed test is a failure', () => {
  expect(tallyOf({ ...clean, success: false }, 1).failed).toBe(1)
  expect(tallyOf(clean, 1).failed).toBe(1)
})

test('no report at all is a failure', () => {
  rmSync(report, { force: true })
  expect(vitestTally(report, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  rmSync(folder, { recursive: true, force: true })
})

test('the last line has the form that CI reads', () => {
  expect(tallyLine(add({ passed: 1, failed: 2, skipped: 3 }, { passed: 1, failed: 0, skipped: 0 }))).toBe(
    '2 passed, 2 failed, 3 skipped',
  )
})
