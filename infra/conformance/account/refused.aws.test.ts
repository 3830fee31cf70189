import { ValidateTemplateCommand } from '@aws-sdk/client-cloudformation'
import { expect, test } from 'vitest'
import { templates } from '../lint/templates.ts'
import { REFUSED, without } from './ministack-limits.ts'
import { target, visit } from './visit.ts'

test.runIf(target.kind === 'ministack')('the emulator refuses exactly the types of the list', async () => {
  using here = await visit()
  const refused = new Set<string>()
  for (const template of templates().values()) {
    const said = await here.aws.cloudformation
      .send(new ValidateTemplateCommand({ TemplateBody: JSON.stringify(template) }))
      .then(
        () => '',
        (error: Error) => error.message,
      )
    const [, types = ''] = /Unrecognized resource types: \[(.*)\]/.exec(said) ?? []
    for (const type of types.split(', ').filter(Boolean)) refused.add(type)
  }
  expect([...refused].sort()).toEqual([...REFUSED].sort())
})

test.runIf(target.kind === 'ministack')('what is left of every template it takes', async () => {
  using here = await visit()
  for (const [name, template] of templates()) {
    const left = without(template, REFUSED)
    await expect(
      here.aws.cloudformation.send(new ValidateTemplateCommand({ TemplateBody: JSON.stringify(left) })),
      name,
    ).resolves.toBeDefined()
    // Most of it, or the other tests would be about little.
    expect(Object.keys(left.Resources).length).toBeGreaterThan(0.5 * Object.keys(template.Resources).length)
  }
})
