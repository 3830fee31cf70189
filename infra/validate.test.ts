// AWS's own checks (schemas and the rules of cfn-lint), in this process: types, references, enums, CIDRs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CelEngine, TemplateFile } from '@aws/cloudformation-validate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Template } from './cfn.ts'
import { SAMPLE_SEARCH, sample } from './samples.ts'
import { STAGE_NAMES } from './stages.ts'

let folder = ''
let engine: InstanceType<typeof CelEngine>
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-validate-'))
  engine = new CelEngine()
})
afterAll(() => {
  engine.free()
  rmSync(folder, { recursive: true, force: true })
})

/** What it says wrongly, and why it is wrong. */
const MISTAKEN: Readonly<Record<string, string>> = {
  E3676: 'a certificate that is a reference counts as none; rules/balancing.ts looks for it itself',
}

/** What it finds at WARN or above. */
function findings(template: Template): string[] {
  const file = path.join(folder, 'template.json')
  writeFileSync(file, JSON.stringify(template))
  const { diagnostics } = engine.validateStandard(new TemplateFile(file), {
    pseudoParameterOverrides: { region: 'eu-west-1' },
  })
  return diagnostics
    .filter(({ severity }) => severity !== 'INFO' && severity !== 'DEBUG')
    .filter(({ ruleId }) => MISTAKEN[ruleId] === undefined)
    .map(({ ruleId, message }) => `${ruleId} ${message}`)
}

test.for(STAGE_NAMES)('nothing in %s', (name) => {
  expect(findings(sample(name).template)).toEqual([])
})

test('nothing in a stage with a search domain', () => {
  expect(findings(sample('prod', { search: SAMPLE_SEARCH, sessionManager: true }).template)).toEqual([])
})

test('nothing before there are servers', () => {
  expect(findings(sample('prod', { fleet: 'none' }).template)).toEqual([])
})

test('a reference to the wrong kind of thing is found', () => {
  const draft = structuredClone(sample('prod').template)
  Object.assign(draft.Resources.AppSubnetARoutes?.Properties ?? {}, { SubnetId: { Ref: 'Vpc' } })
  expect(findings(draft)).not.toEqual([])
})
