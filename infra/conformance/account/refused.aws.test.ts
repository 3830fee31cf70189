import {
  CreateChangeSetCommand,
  DescribeStackEventsCommand,
  ExecuteChangeSetCommand,
  ValidateTemplateCommand,
} from '@aws-sdk/client-cloudformation'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Template } from '../../cfn.ts'
import { templates } from '../lint/templates.ts'
import { isRefused, REFUSED, REFUSED_WITH, without } from './ministack-limits.ts'
import { target, type Visit, visit } from './visit.ts'

const Bucket = 'terrace-templates'

describe.runIf(target.kind === 'ministack')('the emulator', () => {
  let here: Visit
  beforeAll(async () => {
    here = await visit()
    await here.aws.s3.send(
      new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
    )
    return () => here[Symbol.dispose]()
  })

  /** What it says to a template, in one line; '' when it takes it. Through a bucket: they are too large for a call. */
  async function saidTo(template: Template): Promise<string> {
    const Key = 'template.json'
    await here.aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: JSON.stringify(template) }))
    const TemplateURL = `https://s3.eu-west-1.amazonaws.com/${Bucket}/${Key}`
    return await here.aws.cloudformation.send(new ValidateTemplateCommand({ TemplateURL })).then(
      () => '',
      (error: Error) => error.message.slice(0, 500),
    )
  }

  test('refuses exactly the types of the list', async () => {
    const refused = new Set<string>()
    for (const template of templates().values()) {
      const [, types = ''] = /Unrecognized resource types: \[(.*)\]/.exec(await saidTo(template)) ?? []
      for (const type of types.split(', ').filter(Boolean)) refused.add(type)
    }
    expect([...refused].sort()).toEqual([...REFUSED].sort())
  })

  test.each(REFUSED_WITH)('makes no $type with $property', async ({ type, property }) => {
    // One of ours, whatever refers to it left behind.
    const ours = [...templates().values()].flatMap(({ Resources }) => Object.values(Resources))
    const found = ours.find(({ Type, Properties }) => Type === type && Properties[property] !== undefined)
    const Properties = JSON.parse(
      JSON.stringify(found?.Properties, (key, value) =>
        key === 'AlarmActions'
          ? []
          : (value?.['Fn::GetAtt'] ?? value?.Ref) === undefined
            ? value
            : 'somewhere',
      ),
    )
    const of = { StackName: 'terrace-refused', ChangeSetName: 'first' }
    const TemplateBody = JSON.stringify({ Resources: { One: { Type: type, Properties } } })
    await here.bare.cloudformation.send(
      new CreateChangeSetCommand({ ...of, ChangeSetType: 'CREATE', TemplateBody }),
    )
    await here.bare.cloudformation.send(new ExecuteChangeSetCommand(of))
    await expect
      .poll(
        async () => {
          const { StackEvents = [] } = await here.bare.cloudformation.send(
            new DescribeStackEventsCommand({ StackName: of.StackName }),
          )
          return StackEvents.map(({ ResourceStatusReason }) => ResourceStatusReason ?? '').join('\n')
        },
        { timeout: 30_000 },
      )
      .toMatch(new RegExp(`Properties\\.${property} .*not supported`))
  })

  test('takes what is left of every template, which is most of it', async () => {
    for (const [name, template] of templates()) {
      const left = without(template, isRefused)
      expect(await saidTo(left), name).toBe('')
      expect(Object.keys(left.Resources).length).toBeGreaterThan(0.5 * Object.keys(template.Resources).length)
    }
  })
})
