import { beforeEach, describe, expect, test } from 'vitest'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { standIn } from '../../aws/stand-in/stand-in.ts'
import { apply } from '../release/apply.ts'
import { API, changed, NONE, Operator, staging, TABLE } from '../release/operator.ts'
import { ACCOUNT } from '../release/rehearsal.ts'
import { plan as planned } from './plan.ts'

let operator: Operator
beforeEach(() => {
  operator = new Operator()
})
const around = (answer: string | undefined, table = TABLE) => operator.around(answer, table)
const operations = () => operator.world.calls.map(({ operation }) => operation)

describe('plan --deployed', () => {
  const plan = (args: readonly string[], surroundings: ReturnType<typeof around>, aws = operator.world.aws) =>
    planned(args, { ...surroundings, connect: async () => aws })
  const LOOKING = ['GetObject', 'GetObject', 'DescribeImages', 'DescribeImages']
  const READING = ['GetCallerIdentity', 'DescribeStacks', 'GetTemplate', 'GetStackPolicy']

  test('there is no stack yet', async () => {
    expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(/There is no stack terrace-staging yet: all of it is new\.\n$/)
  })

  test('the difference to what was deployed, without a right to change anything', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    for (const operation of ['CreateChangeSet', 'DescribeChangeSet', 'ListChangeSets'])
      operator.world.faults.add({ operation, times: 99, error: FAULTS.denied(`cloudformation:${operation}`) })
    operator.printed = ''
    const from = operator.world.calls.length
    expect(await plan(staging(...NONE, '--deployed'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(/Nothing changes\.\n$/)
    expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(/\+ .*ApiGroup/)
    expect(operations().slice(from)).toEqual([...READING, ...READING, ...LOOKING])
  })

  test('images that apply would refuse are a warning, as is that nobody may look at them', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    operator.world.compute.images.put(API, { State: 'pending' })
    expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(
      /npm run apply would stop here\. Stage staging can’t start(.|\n)*for API servers of staging, is still being made/,
    )
    for (const error of [FAULTS.denied('ec2:DescribeImages'), awsError('InternalError', 'later', 500)]) {
      operator.world.faults.add({ operation: 'DescribeImages', error })
      expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
    }
    expect(operator.printed.match(/Its images could not be looked at: /g)).toHaveLength(2)
  })

  test('what would lose data ends with another code', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const table = changed('staging', { multiAz: false, replica: false })
    expect(await plan(staging(...NONE, '--deployed'), around(undefined, table))).toBe(2)
    expect(operator.printed).toMatch(/Not to be deployed as it is:\n.*Database holds data/)
  })

  test('what is open though it should not be', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const stack = operator.world.stacks.find('terrace-staging')
    if (stack === undefined) throw new Error('no stack')
    const told = async () => {
      operator.printed = ''
      expect(await plan(staging('--deployed'), around(undefined))).toBe(0)
      return /^Not locked:\n((?: {2}.*\n)+)npm run apply -- --stage staging locks it again/m.exec(
        operator.printed,
      )?.[1]
    }
    // Without servers there is nothing to lose yet.
    expect([await told(), stack.isProtected]).toEqual([undefined, false])
    await apply(staging('--yes'), around(undefined))
    expect([await told(), stack.isProtected]).toEqual([undefined, true])
    const { policy } = stack
    stack.policy = JSON.stringify({
      Statement: [{ Effect: 'Allow', Principal: '*', Action: 'Update:*', Resource: '*' }],
    })
    expect(await told()).toMatch(/^ {2}Its policy is open: a run that changed the stack was ended.*\n$/)
    stack.status = 'UPDATE_IN_PROGRESS'
    expect(await told()).toMatch(/open for the change that is under way \(UPDATE_IN_PROGRESS\)/)
    stack.status = 'UPDATE_COMPLETE'
    Object.assign(stack, { policy: undefined, isProtected: false })
    expect(await told()).toMatch(/It has no policy.*\n {2}Its termination protection is off/)
    operator.world.faults.add({
      operation: 'GetStackPolicy',
      error: FAULTS.denied('cloudformation:GetStackPolicy'),
    })
    expect(await told()).toMatch(/can’t be read.*may not cloudformation:GetStackPolicy/)
    expect(await apply(staging('--yes'), around(undefined))).toBe(0)
    expect(await told()).toBeUndefined()
    expect(stack.policy).toBe(policy)
  })

  test('another account, a missing right, and two to compare with', async () => {
    const { aws } = standIn('999988887777')
    expect(await plan(staging('--deployed'), around(undefined), aws)).toBe(1)
    expect(operator.printed).toContain(`belongs to account ${ACCOUNT}`)
    operator.world.faults.add({
      operation: 'DescribeStacks',
      error: FAULTS.denied('cloudformation:DescribeStacks'),
    })
    expect(await plan(staging('--deployed'), around(undefined))).toBe(1)
    expect(operator.printed).toContain('may not cloudformation:DescribeStacks')
    expect(await plan(staging('--deployed', '--against', 'x.json'), around(undefined))).toBe(1)
    expect(operator.printed).toContain('a plan is against one of them')
  })

  test('what nobody expected of AWS is said in its words', async () => {
    const error = awsError('ServiceUnavailable', 'come back later', 503)
    operator.world.faults.add({ operation: 'DescribeStacks', times: 9, error })
    expect(await plan(staging('--deployed'), around(undefined))).toBe(1)
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(operator.printed.match(/AWS refused: ServiceUnavailable: come back later\n/g)?.length).toBe(2)
  })
})
