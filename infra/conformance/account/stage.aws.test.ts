// A stage's life, in the order in which it happens: made by a change set of our own, planned, changed, a change that fails and
// is taken back; deployed by serverless over that; removed. Each test goes on from what the one before has left.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ListChangeSetsCommand } from '@aws-sdk/client-cloudformation'
import { HeadBucketCommand } from '@aws-sdk/client-s3'
import { GetParameterCommand } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Template, TemplateResource } from '../../cfn.ts'
import { compare } from '../../plan/changes.ts'
import { describeStack } from '../../release/follow.ts'
import type { Judged } from '../../release/gate.ts'
import { removeStack } from '../../release/settle.ts'
import { changeStack } from '../../release/stack-change.ts'
import { stackOf } from '../../release/target.ts'
import { DEV_STACK, prepareStage } from './prepare.ts'
import { inAccount, stateBucket } from './table.ts'
import { bucketsOf, emptyBucket, keepingNothing, resourcesOf } from './take-down.ts'
import { SCENARIO_MS, target, type Visit, visit } from './visit.ts'

let here: Visit
let packaged: Template
let isOurs = false
beforeAll(async () => {
  here = await visit()
  await prepareStage(here)
  isOurs = true
}, SCENARIO_MS)
// After a failure somewhere between: the account is somebody's.
afterAll(async () => {
  if (target.kind === 'account' && isOurs && (await describeStack(here.aws, DEV_STACK)) !== undefined) {
    await nothingIsKept().catch((error: unknown) => console.error(error))
    await removeStack(here.aws, DEV_STACK, new Date(Date.now() + SCENARIO_MS), console.log)
  }
  here[Symbol.dispose]()
}, SCENARIO_MS)

/** The template with a resource changed, or one more. */
const withResource = (template: Template, id: string, resource: TemplateResource): Template => ({
  ...template,
  Resources: { ...template.Resources, [id]: resource },
})
const resource = (template: Template, id: string): TemplateResource => {
  const found = template.Resources[id]
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found
}
/** Harmless, and seen from outside: another description of the web servers' environment. */
const described = (template: Template, text: string): Template => {
  const before = resource(template, 'WebEnvironment')
  return withResource(template, 'WebEnvironment', {
    ...before,
    Properties: { ...before.Properties, Value: text },
  })
}
const environment = async () =>
  (await here.aws.ssm.send(new GetParameterCommand({ Name: '/terrace/dev/web/environment' }))).Parameter
    ?.Value

const apply = async (template: Template, allowed: string[] = []) => {
  const shown: (readonly Judged[])[] = []
  const lines: string[] = []
  const stage = inAccount(here.account).dev
  const result = changeStack(here.aws, {
    target: stackOf('dev', stage),
    template,
    allowed,
    protection: { policy: stage.isProtected, termination: false },
    agree: async (changes) => shown.push(changes) > 0,
    say: (line) => lines.push(line),
    patienceMs: SCENARIO_MS,
  })
  return { result: await result.catch((error: unknown) => error), shown, lines }
}
const leftChangeSets = async () =>
  (await here.aws.cloudformation.send(new ListChangeSetsCommand({ StackName: DEV_STACK }))).Summaries?.filter(
    ({ ExecutionStatus }) => ExecutionStatus === 'AVAILABLE',
  )

test('serverless package writes what is made then', { timeout: SCENARIO_MS }, async () => {
  const { code, output } = await here.serverless('package', '--package', here.packaged)
  expect([code, output]).toEqual([0, expect.stringContaining('Service packaged')])
  packaged = JSON.parse(
    readFileSync(path.join(here.packaged, 'cloudformation-template-update-stack.json'), 'utf8'),
  )
  expect(Object.keys(packaged.Resources).length).toBeGreaterThan(50)
})

test('made by a change set of our own, every resource with its events', {
  timeout: SCENARIO_MS,
}, async () => {
  const { result, shown, lines } = await apply(packaged)
  expect(result).toBe('changed')
  expect(shown[0]?.map(({ id }) => id).sort()).toEqual(Object.keys(packaged.Resources).sort())
  expect(new Set(shown[0]?.map(({ effect }) => effect))).toEqual(new Set(['add']))
  for (const id of Object.keys(packaged.Resources))
    expect(
      lines.some((line) => / CREATE_COMPLETE +/.test(line) && line.endsWith(` ${id}`)),
      id,
    ).toBe(true)
  expect((await describeStack(here.aws, DEV_STACK))?.StackStatus).toBe('CREATE_COMPLETE')
})

test('a stage that is there is nobody’s to test with', async () => {
  await expect(prepareStage(here)).rejects.toThrow('has a stage dev already')
})

test('the same once more: nothing to change, and nothing left', { timeout: SCENARIO_MS }, async () => {
  const { result, shown } = await apply(packaged)
  expect([result, shown]).toEqual(['nothing', []])
  expect(await leftChangeSets()).toEqual([])
})

test('a database that would be made anew is stopped before anything happens', {
  timeout: SCENARIO_MS,
}, async () => {
  const database = resource(packaged, 'Database')
  const renamed = withResource(packaged, 'Database', {
    ...database,
    Properties: { ...database.Properties, DBName: 'another' },
  })
  const { result, shown } = await apply(renamed)
  expect(result).toMatchObject({
    name: 'BlockedChange',
    message: expect.stringMatching(/Database .*Replacement True/),
  })
  expect(shown).toEqual([])
  expect(await leftChangeSets()).toEqual([])
  expect((await describeStack(here.aws, DEV_STACK))?.StackStatus).toBe('CREATE_COMPLETE')
})

test('a change is shown, made, and seen from outside', { timeout: SCENARIO_MS }, async () => {
  const { result, shown, lines } = await apply(described(packaged, '{"IS":"changed"}'))
  expect(result).toBe('changed')
  expect(shown[0]).toMatchObject([
    { id: 'WebEnvironment', effect: 'update', said: 'Modify, Replacement False' },
  ])
  expect(lines).toContainEqual(expect.stringMatching(/UPDATE_COMPLETE +WebEnvironment$/))
  expect(await environment()).toBe('{"IS":"changed"}')
})

test('a change that fails half-way is taken back, and says what failed', {
  timeout: SCENARIO_MS,
}, async () => {
  // A secret that is no JSON can't be told where a database is: seen when it is tried, by no check before. By then the
  // parameter has its new value.
  const failing = withResource(described(packaged, '{"IS":"failing"}'), 'Impossible', {
    Type: 'AWS::SecretsManager::SecretTargetAttachment',
    DependsOn: ['WebEnvironment'],
    Properties: {
      SecretId: { Ref: 'SetupToken' },
      TargetId: { Ref: 'Database' },
      TargetType: 'AWS::RDS::DBInstance',
    },
  })
  const { result, lines } = await apply(failing)
  expect(result).toMatchObject({
    name: 'StackFailure',
    status: 'UPDATE_ROLLBACK_COMPLETE',
    resource: 'Impossible',
    message: expect.stringContaining('everything is as it was before'),
  })
  expect(lines).toContainEqual(expect.stringMatching(/UPDATE_COMPLETE +WebEnvironment$/))
  expect(await environment()).toBe('{"IS":"changed"}')
})

// AWS finds this one while it plans; the emulator, with AWS's words, once it is to do it.
test.runIf(target.kind === 'ministack')(
  'what is found before any resource was touched is said in AWS’s words',
  { timeout: SCENARIO_MS },
  async () => {
    const taken = withResource(packaged, 'Impossible', {
      Type: 'AWS::S3::Bucket',
      DeletionPolicy: 'Delete',
      UpdateReplacePolicy: 'Delete',
      Properties: { BucketName: stateBucket(here.account) },
    })
    const { result } = await apply(taken)
    expect(result).toMatchObject({
      name: 'StackFailure',
      resource: undefined,
      message: expect.stringMatching(/AWS says: Validation failed with 1 error/),
    })
    expect(await environment()).toBe('{"IS":"changed"}')
  },
)

test('serverless deploys over what a change set of ours has made of the stack', {
  timeout: SCENARIO_MS,
}, async () => {
  const before = await environment()
  const first = await here.serverless('deploy')
  expect([first.code, first.output]).toEqual([0, expect.stringContaining('Service deployed')])
  const own = await environment()
  expect(own).not.toBe(before)

  const { result } = await apply(described(packaged, '{"IS":"changed"}'))
  expect(result).toBe('changed')
  // The template that it has deployed last is the one that it is to deploy: it must not believe that it is there.
  const second = await here.serverless('deploy')
  expect([second.code, second.output]).toEqual([0, expect.stringContaining('Service deployed')])
  expect(await environment()).toBe(own)
})

test('serverless deploys once more: no changes', { timeout: SCENARIO_MS }, async () => {
  const { code, output } = await here.serverless('deploy')
  expect([code, output]).toEqual([0, expect.stringMatching(/did not include any changes/)])
})

const nothingIsKept = async () => {
  const last = keepingNothing(packaged)
  const allowed = compare(packaged, last).filter(({ blocked }) => blocked !== undefined)
  expect(
    (
      await apply(
        last,
        allowed.map(({ id }) => id),
      )
    ).result,
  ).toBe('changed')
  for (const bucket of bucketsOf(await resourcesOf(here.aws, DEV_STACK))) await emptyBucket(here.aws, bucket)
}
const isThere = async (bucket: string) =>
  await here.aws.s3.send(new HeadBucketCommand({ Bucket: bucket })).then(
    () => true,
    () => false,
  )
const removed = async () => {
  const buckets = bucketsOf(await resourcesOf(here.aws, DEV_STACK))
  const { code, output } = await here.serverless('remove')
  expect([code, output]).toEqual([0, expect.stringContaining('successfully removed')])
  expect(await describeStack(here.aws, DEV_STACK)).toBeUndefined()
  expect(buckets).toHaveLength(2)
  return await Promise.all(buckets.map(isThere))
}

test.runIf(target.kind !== 'account')(
  'serverless removes the stage; its documents and logs stay',
  { timeout: SCENARIO_MS },
  async () => {
    expect(await removed()).toEqual([true, true])
  },
)

test('a test leaves nothing of a stage, and the bootstrap as it was', { timeout: SCENARIO_MS }, async () => {
  if (target.kind !== 'account') expect((await apply(packaged)).result).toBe('changed')
  await nothingIsKept()
  expect(await removed()).toEqual([false, false])
  expect(await isThere(stateBucket(here.account))).toBe(true)
})
