import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { plan as planned } from '../plan/plan.ts'
import { SAMPLE_IMAGES } from '../sample-images.ts'
import { EXAMPLE_ACCOUNT } from '../stage-schema.ts'
import { STAGES } from '../stages.ts'
import { apply } from './apply.ts'

const ACCOUNT = '222233334444'
/** The table with an account of one's own in it. */
const TABLE: Readonly<Record<string, unknown>> = JSON.parse(
  JSON.stringify(STAGES).replaceAll(EXAMPLE_ACCOUNT, ACCOUNT),
)
const changed = (stage: 'dev' | 'staging', database: object) => ({
  ...TABLE,
  [stage]: {
    ...JSON.parse(JSON.stringify(TABLE[stage])),
    database: { ...STAGES[stage].database, ...database },
  },
})

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-apply-'))
  for (const stage of ['dev', 'staging'])
    writeFileSync(
      path.join(folder, `${stage}-live.json`),
      JSON.stringify({ ...SAMPLE_IMAGES, account: ACCOUNT }),
    )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let world: StandIn
let printed = ''
let questions: string[] = []
beforeEach(() => {
  world = standIn()
  world.buckets.make(`terrace-state-${ACCOUNT}-eu-west-1`)
  printed = ''
  questions = []
})
const around = (answer: string | undefined, table = TABLE) => ({
  connect: () => world.aws,
  signal: new AbortController().signal,
  table,
  print: (text: string) => {
    printed += text
  },
  complain: (text: string) => {
    printed += text
  },
  ask:
    answer === undefined
      ? undefined
      : async (question: string) => {
          questions.push(question)
          return answer
        },
})
const images = () => ['--param', `images-folder=${folder}`]
const staging = (...more: string[]) => ['--stage', 'staging', ...images(), ...more]
const NONE = ['--param', 'fleet=none']
const operations = () => world.calls.map(({ operation }) => operation)

describe('apply', () => {
  test('a protected stage: made without servers, then with them, and locked as far as there is something to lose', async () => {
    expect(await apply(staging(...NONE), around('staging'))).toBe(0)
    expect(questions).toEqual(['Type staging to do it: '])
    expect(printed).toMatch(
      /resources\n(.|\n)*\+ .*Database \(AWS::RDS::DBInstance\)(.|\n)*The stack is new\.(.|\n)*Done\./,
    )
    const stack = world.stacks.find('terrace-staging')
    expect([stack?.status, stack?.isProtected]).toEqual(['CREATE_COMPLETE', false])
    expect(stack?.policy).toContain('"Deny"')
    expect(stack?.tags).toEqual([
      { Key: 'service', Value: 'terrace' },
      { Key: 'stage', Value: 'staging' },
    ])
    expect(stack?.roleArn).toBe(`arn:aws:iam::${ACCOUNT}:role/terrace-cloudformation-eu-west-1`)
    expect(await apply(staging('--yes'), around(undefined))).toBe(0)
    expect([stack?.status, stack?.isProtected]).toEqual(['UPDATE_COMPLETE', true])
    expect(world.groups.groups.size).toBe(2)
    expect(await apply(staging(), around(''))).toBe(0)
    expect(printed).toMatch(/Nothing to change: the stack is as the template has it\.\n$/)
  })

  test('not with servers at once: what is locked could not be taken back', async () => {
    expect(await apply(staging('--yes'), around(undefined))).toBe(1)
    expect(printed).toContain('made without servers first: --param fleet=none')
    expect(operations()).not.toContain('ExecuteChangeSet')
    expect(world.stacks.find('terrace-staging')?.deletedAt).toBeDefined()
  })

  test('dev has no locks', async () => {
    expect(await apply(['--stage', 'dev', ...images(), '--yes'], around(undefined))).toBe(0)
    const stack = world.stacks.find('terrace-dev')
    expect([stack?.status, stack?.policy, stack?.isProtected]).toEqual(['CREATE_COMPLETE', undefined, false])
  })

  test.each(['', 'stagin', 'yes', 'prod'])(
    'any other answer than the stage’s name changes nothing: %j',
    async (answer) => {
      expect(await apply(staging(...NONE), around(answer))).toBe(1)
      expect(printed).toMatch(/Nothing was changed\.\n$/)
      expect(operations()).not.toContain('ExecuteChangeSet')
    },
  )

  test('before anything is asked of AWS: the example’s account, no terminal, no images', async () => {
    expect(await apply(staging(...NONE, '--yes'), around(undefined, STAGES))).toBe(1)
    expect(printed).toContain('example’s account')
    expect(await apply(staging(...NONE), around(undefined))).toBe(1)
    expect(printed).toContain('There is no terminal to ask on')
    expect(
      await apply(
        ['--stage', 'staging', '--param', `images-folder=${folder}/none`, '--yes'],
        around(undefined),
      ),
    ).toBe(1)
    expect(world.calls).toEqual([])
  })

  test('another account: nothing but who one is was asked', async () => {
    world = standIn('999988887777')
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(printed).toContain(`Stage staging belongs to account ${ACCOUNT}`)
    expect(operations()).toEqual(['GetCallerIdentity'])
  })

  test('what would lose data ends with another code, until it is named', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const table = changed('staging', { multiAz: false, replica: false })
    expect(await apply(staging(...NONE, '--yes'), around(undefined, table))).toBe(2)
    expect(printed).toMatch(/Database holds data, and may be made anew(.|\n)*--allow-replace Database\n$/)
    expect(
      await apply(staging(...NONE, '--yes', '--allow-replace', 'Database'), around(undefined, table)),
    ).toBe(0)
  })

  test('a failure is told, and the process knows', async () => {
    world.stacks.execution.failures.push({ id: 'Database', on: 'create', reason: 'no capacity' })
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(printed).toMatch(/could not be made(.|\n)*First to fail: Database: no capacity(.|\n)*Next: /)
    world.faults.add({ operation: 'CreateChangeSet', error: FAULTS.denied('cloudformation:CreateChangeSet') })
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(printed).toMatch(/Deployer\/jo may not cloudformation:CreateChangeSet/)
  })
})

describe('plan --deployed', () => {
  const plan = (args: readonly string[], surroundings: ReturnType<typeof around>, aws = world.aws) =>
    planned(args, { ...surroundings, connect: async () => aws })
  const READING = ['GetCallerIdentity', 'DescribeStacks', 'GetTemplate']

  test('there is no stack yet', async () => {
    expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    expect(printed).toMatch(/There is no stack terrace-staging yet: all of it is new\.\n$/)
  })

  test('the difference to what was deployed, without a right to change anything', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    for (const operation of ['CreateChangeSet', 'DescribeChangeSet', 'ListChangeSets'])
      world.faults.add({ operation, times: 99, error: FAULTS.denied(`cloudformation:${operation}`) })
    printed = ''
    const from = world.calls.length
    expect(await plan(staging(...NONE, '--deployed'), around(undefined))).toBe(0)
    expect(printed).toMatch(/Nothing changes\.\n$/)
    expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    expect(printed).toMatch(/\+ .*ApiGroup/)
    expect(operations().slice(from)).toEqual([...READING, ...READING])
  })

  test('what would lose data ends with another code', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const table = changed('staging', { multiAz: false, replica: false })
    expect(await plan(staging(...NONE, '--deployed'), around(undefined, table))).toBe(2)
    expect(printed).toMatch(/Not to be deployed as it is:\n.*Database holds data/)
  })

  test('another account, a missing right, and two to compare with', async () => {
    const { aws } = standIn('999988887777')
    expect(await plan(staging('--deployed'), around(undefined), aws)).toBe(1)
    expect(printed).toContain(`belongs to account ${ACCOUNT}`)
    world.faults.add({ operation: 'DescribeStacks', error: FAULTS.denied('cloudformation:DescribeStacks') })
    expect(await plan(staging('--deployed'), around(undefined))).toBe(1)
    expect(printed).toContain('may not cloudformation:DescribeStacks')
    expect(await plan(staging('--deployed', '--against', 'x.json'), around(undefined))).toBe(1)
    expect(printed).toContain('a plan is against one of them')
  })

  test('what nobody expected of AWS is said in its words', async () => {
    const error = awsError('ServiceUnavailable', 'come back later', 503)
    world.faults.add({ operation: 'DescribeStacks', times: 9, error })
    expect(await plan(staging('--deployed'), around(undefined))).toBe(1)
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(printed.match(/AWS refused: ServiceUnavailable: come back later\n/g)?.length).toBe(2)
  })
})
