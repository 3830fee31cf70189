import { CreateChangeSetCommand } from '@aws-sdk/client-cloudformation'
import { beforeEach, expect, test } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { withStageLock } from '../release/stage-lock.ts'
import { lockOf } from '../release/target.ts'
import { STAGES } from '../stages.ts'
import { type Destruction, destroy } from './destroy.ts'

const ACCOUNT = '222233334444'
const STAGE = { ...STAGES.prod, account: ACCOUNT }
const place = lockOf('prod', STAGE)

let there: StandIn
/** As little as there can be of a stage. */
beforeEach(async () => {
  there = standIn(ACCOUNT)
  there.buckets.make(stateBucket(STAGE))
  await there.aws.cloudformation.send(
    new CreateChangeSetCommand({
      StackName: 'terrace-prod',
      ChangeSetName: 'planned',
      ChangeSetType: 'CREATE',
      TemplateBody: JSON.stringify({ Resources: { Topic: { Type: 'AWS::SNS::Topic' } } }),
    }),
  )
})
const run = (changes: Partial<Destruction> = {}) =>
  destroy(there.aws, {
    name: 'prod',
    stage: STAGE,
    deletesData: false,
    say: () => undefined,
    agrees: async () => true,
    ...changes,
  })
const whileApplied = <T>(work: () => Promise<T>, takesOver = false) =>
  withStageLock(
    there.aws,
    { place, by: 'arn:other', command: 'apply', takesOver, say: () => undefined },
    work,
  )
const asked = () => there.calls.map(({ operation }) => operation)

test('nobody is asked while somebody else is at work on the stage, unless that is taken over', async () => {
  let questions = 0
  const agrees = async () => ++questions > 0
  await whileApplied(async () => {
    await expect(run({ agrees })).rejects.toThrow(/at work on stage prod: npm run apply of arn:other/)
    expect([questions, asked().includes('DeleteStack')]).toEqual([0, false])
    expect(await run({ agrees, takesOver: true })).toBe('gone')
  })
  expect(there.buckets.keys(stateBucket(STAGE)).filter((key) => key.endsWith('/lock.json'))).toEqual([])
})

test('nothing is removed any more once somebody else has taken over', async () => {
  const agrees = () => whileApplied(async () => true, true)
  await expect(run({ agrees })).rejects.toThrow('The lock of stage prod was taken from this run')
  expect(asked()).not.toContain('DeleteStack')
})
