import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const run = promisify(execFile)
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-plan-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function plan(...args: string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await run(process.execPath, ['infra/plan/command.ts', ...args], { cwd: ROOT })
    return { code: 0, output: stdout }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout + stderr }
  }
}
const stage = ['--stage', 'prod', '--param', 'fleet=none']
const earlier = (edit: (draft: Draft) => void): string => {
  const draft: Draft = JSON.parse(JSON.stringify(sample('prod', { fleet: 'none' }).template))
  edit(draft)
  const file = path.join(folder, 'earlier.json')
  writeFileSync(file, JSON.stringify(draft))
  return file
}

test('what there will be, by room, and what it costs', async () => {
  const { code, output } = await plan(...stage)
  expect(code).toBe(0)
  expect(output).toContain('Stage prod: account 111122223333, eu-west-1, zones euw1-az1 and euw1-az2')
  expect(output).toMatch(/^ +\d+ {2}for all tiers: \d+ network, /m)
  expect(output).toMatch(/^ +268 {2}Database: db\.m7g\.large and its standby$/m)
  expect(output).not.toContain('other')
  expect(output).not.toContain('changes')
})

test('against what is there: a change, and none', async () => {
  const same = await plan(
    ...stage,
    '--against',
    earlier(() => {}),
  )
  expect([same.code, same.output]).toEqual([0, expect.stringContaining('Nothing changes.')])
  const more = await plan(
    ...stage,
    '--against',
    earlier((draft) => change(draft, 'Database', 'AllocatedStorage', '50')),
  )
  expect([more.code, more.output]).toEqual([
    0,
    expect.stringMatching(/1 changes\n {2}~ +Database \(AWS::RDS::DBInstance\): AllocatedStorage\n$/),
  ])
})

test('what would lose data is said, and ends with another code', async () => {
  const { code, output } = await plan(
    ...stage,
    '--against',
    earlier((draft) => change(draft, 'DatabaseOwner', 'Name', 'other')),
  )
  expect(code).toBe(2)
  expect(output).toMatch(
    /! replaces {2}Database \(AWS::RDS::DBInstance\): MasterUsername, MasterUserPassword/,
  )
  expect(output).toContain('  Database holds data, and is made anew, empty: MasterUsername')
})

test('what is no template, and a stage that there is not, are refused in words', async () => {
  const file = path.join(folder, 'none.json')
  writeFileSync(file, '[]')
  expect(await plan(...stage, '--against', file)).toEqual({
    code: 1,
    output: `${file} is not a template in JSON.\n`,
  })
  expect(await plan('--stage', 'prd')).toEqual({
    code: 1,
    output: '--stage prd: there is dev, staging, prod.\n',
  })
})

test.for<[string[], string]>([
  [['--stag', 'prod'], "Unknown option '--stag'"],
  [['--stage'], "Option '-s, --stage <value>' argument missing"],
  [['--stage', 'prod', '--deploy'], "Unknown option '--deploy'"],
  [['--stage', 'prod', '--against'], "Option '--against <value>' argument missing"],
  [['--stage', 'prod', '--yes'], "Unknown option '--yes'"],
  [['prod'], "Unexpected argument 'prod'"],
  [[...stage, '--param', 'image=candidate'], '--param image: there is images, images-folder, fleet.'],
  [[...stage, '--param', 'fleet:none'], '--param fleet:none: it is NAME=VALUE.'],
])('%j is no plan of something else', async ([args, words]) => {
  const { code, output } = await plan(...args)
  expect([code, output]).toEqual([1, expect.stringContaining(words)])
  expect(output).not.toContain('resources')
})
