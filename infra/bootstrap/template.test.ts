import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CelEngine, TemplateFile } from '@aws/cloudformation-validate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { overlaps, parseCidr } from '../cidr.ts'
import { at, list, ofType, property } from '../reading.ts'
import { NETWORK_RULES } from '../rules/network.ts'
import { change, type Draft } from '../rules/rule.ts'
import { SAMPLE_SEARCH, sample } from '../samples.ts'
import { STAGE_NAMES, STAGES } from '../stages.ts'
import { SERVER_ACTIONS } from './boundary.ts'
import { BUILDER_NETWORK } from './builder.ts'
import { allows, type Call, matches } from './evaluate.ts'
import { HANDLERS } from './handlers.ts'
import { boundaryName } from './names.ts'
import { actionsOf, statements, statementsOf } from './promise.ts'
import { BAKE_PROMISES } from './promises-of-bakes.ts'
import { DEPLOYMENT_PROMISES } from './promises-of-deployments.ts'
import { LAUNCH_PROMISES } from './promises-of-launches.ts'
import { RETENTION_PROMISES } from './promises-of-retention.ts'
import { ROLE_PROMISES } from './promises-of-roles.ts'
import { SERVER_PROMISES } from './promises-of-servers.ts'
import { FITS, STATE_PROMISES } from './promises-of-state.ts'
import { runnerPolicy } from './runner-rights.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'
import { bootstrap } from './template.ts'

const VARIANTS: Readonly<Record<string, Template>> = {
  'with CI': bootstrap(SETTINGS, false),
  'with a provider that is there': bootstrap(SETTINGS, true),
  'without CI': bootstrap({ ...SETTINGS, ci: undefined }, false),
  'with an environment and hosted zones': bootstrap(
    { ...SETTINGS, ciEnvironment: 'production', hostedZones: Array(10).fill(`Z${'0'.repeat(31)}`) },
    false,
  ),
  'in the partition with the longest name': bootstrap({ ...SETTINGS, region: 'us-gov-west-1' }, false),
  'in the longest region': bootstrap({ ...SETTINGS, region: 'ap-northeast-1' }, false),
}
const TEMPLATE = bootstrap(SETTINGS, false)

describe.each([
  ...STATE_PROMISES,
  ...ROLE_PROMISES,
  ...SERVER_PROMISES,
  ...DEPLOYMENT_PROMISES,
  ...BAKE_PROMISES,
  ...LAUNCH_PROMISES,
  ...RETENTION_PROMISES,
])('$holds', ({ wrong, breaks }) => {
  test.each(Object.entries(VARIANTS).slice(0, 3))('%s', (_name, template) => {
    expect(wrong(template)).toEqual([])
  })
  test.each(Object.entries(breaks))('and not with: %s', (_name, breakIt) => {
    const draft: Draft = JSON.parse(JSON.stringify(TEMPLATE))
    breakIt(draft)
    expect(wrong(JSON.parse(JSON.stringify(draft)))).not.toEqual([])
  })
})

test.each(Object.entries(VARIANTS))('it fits %s', (_name, template) => {
  expect(FITS.wrong(template)).toEqual([])
})

describe('AWS’s own checks', () => {
  let folder = ''
  let engine: InstanceType<typeof CelEngine>
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'terrace-bootstrap-'))
    engine = new CelEngine()
  })
  afterAll(() => {
    engine.free()
    rmSync(folder, { recursive: true, force: true })
  })
  const findings = (template: Template): string[] => {
    const file = path.join(folder, 'template.json')
    writeFileSync(file, JSON.stringify(template))
    return engine
      .validateStandard(new TemplateFile(file), { pseudoParameterOverrides: { region: 'eu-west-1' } })
      .diagnostics.filter(({ severity }) => severity !== 'INFO' && severity !== 'DEBUG')
      .map(({ ruleId, message }) => `${ruleId} ${message}`)
  }
  test.each(Object.entries(VARIANTS))('find nothing %s', (_name, template) => {
    expect(findings(template)).toEqual([])
  })
  test('find what is wrong', () => {
    const draft: Draft = JSON.parse(JSON.stringify(TEMPLATE))
    change(draft, 'BuilderSubnet1', 'VpcId', { Ref: 'ImageKey' })
    expect(findings(draft as unknown as Template)).not.toEqual([])
  })
})

test('the same settings give the same bytes', () => {
  expect(JSON.stringify(bootstrap(SETTINGS, false))).toBe(JSON.stringify(TEMPLATE))
})

test('GitHub’s provider is made when the account has none, and only for CI', () => {
  const has = (template: Template | undefined) => template?.Resources.GitHub !== undefined
  expect([has(VARIANTS['with CI']), has(VARIANTS['with a provider that is there'])]).toEqual([true, false])
  expect(VARIANTS['without CI']?.Resources).not.toHaveProperty('CiRole')
  expect(has(VARIANTS['without CI'])).toBe(false)
})

const samples = [
  ...STAGE_NAMES.map((name) => sample(name).template),
  sample('prod', { sessionManager: true, search: SAMPLE_SEARCH }).template,
  sample('prod', { bedrockModels: ['eu.meta.llama3-2-3b-instruct-v1:0'] }).template,
]

test('CloudFormation may make every kind of resource that a stage has', () => {
  const allowed = new Set(
    statementsOf(TEMPLATE, 'CloudFormationRole').flatMap((statement) => actionsOf(statement)),
  )
  const types = new Set(samples.flatMap(({ Resources }) => Object.values(Resources).map(({ Type }) => Type)))
  expect([...types].filter((type) => HANDLERS[type] === undefined)).toEqual([])
  const missing = [...types].flatMap((type) =>
    (HANDLERS[type] ?? []).filter((action) => !allowed.has(action)),
  )
  expect(missing).toEqual([])
})

test('and every setting that a stage makes, by its name', () => {
  const names = samples.flatMap((template) =>
    ofType(template, 'AWS::SSM::Parameter').map(([, one]) => String(property(one, 'Name'))),
  )
  expect(names.length).toBeGreaterThan(4)
  const may = (name: string) =>
    allows(statementsOf(TEMPLATE, 'CloudFormationCiRole'), {
      action: 'ssm:PutParameter',
      on: `arn:aws:ssm:${SETTINGS.region}:${SETTINGS.account}:parameter${name}`,
    })
  expect(names.filter((name) => !may(name))).toEqual([])
})

test('and no kind that neither a stage nor the bootstrap has', () => {
  const has = new Set(
    [...samples, TEMPLATE].flatMap(({ Resources }) => Object.values(Resources).map(({ Type }) => Type)),
  )
  expect(Object.keys(HANDLERS).filter((type) => !has.has(type))).toEqual([])
})

test('every role of a stage is under the boundary, which allows exactly what they need', () => {
  const roles = samples.flatMap((template) => ofType(template, 'AWS::IAM::Role'))
  const limits = roles.map(([, role]) => property(role, 'PermissionsBoundary'))
  const [, values] = list(at(limits[0], 'Fn::Sub'))
  expect(values).toEqual({ account: STAGES.prod.account, name: boundaryName(STAGES.prod) })
  for (const limit of limits) expect(limit).toEqual(limits[0])
  const needed = samples
    .flatMap((template) => statements(template))
    .flatMap(({ statement }) => actionsOf(statement))
  const within: readonly string[] = SERVER_ACTIONS
  expect([...new Set(needed)].filter((action) => !within.includes(action))).toEqual([])
})

test('whoever runs it may make every kind of resource that it has, and no stage', () => {
  const { Statement } = runnerPolicy(SETTINGS, TEMPLATE)
  const allowed = new Set(Statement.flatMap((statement) => actionsOf(statement)))
  const types = new Set(Object.values(TEMPLATE.Resources).map(({ Type }) => Type))
  const missing = [...types].flatMap((type) =>
    (HANDLERS[type] ?? []).filter((action) => !allowed.has(action)),
  )
  expect(missing).toEqual([])
  expect([...allowed].filter((action) => action.includes('*') || action.startsWith('rds:'))).toEqual([])
  const unheld = Statement.filter((one) => one.Resource === '*' && one.Condition === undefined)
  expect(unheld).toEqual([])
  const roles = Statement.filter((one) => actionsOf(one).some((action) => action.startsWith('iam:')))
  for (const pattern of roles.flatMap((one) => list(one.Resource)))
    expect(matches(String(pattern), 'arn:aws:iam::111122223333:role/somebody-else')).toBe(false)
})

test.each(NETWORK_RULES)('as in every stage: $holds', ({ violations }) => {
  expect(violations(TEMPLATE, STAGES.prod)).toEqual([])
})

test('builders have addresses that no stage has', () => {
  const own = parseCidr(BUILDER_NETWORK.vpc)
  for (const name of STAGE_NAMES) expect(overlaps(own, parseCidr(STAGES[name].vpc))).toBe(false)
})

describe('with what the person names', () => {
  const named = bootstrap(
    { ...SETTINGS, ciEnvironment: 'production', hostedZones: ['Z0PROD', 'Z0STAGING'] },
    false,
  )

  test('a pipeline is exactly that environment, whatever its branch', () => {
    const held = at(property(named.Resources.CiRole, 'AssumeRolePolicyDocument.Statement.0'), 'Condition')
    expect(held).toEqual({
      StringEquals: {
        'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com',
        'token.actions.githubusercontent.com:sub': 'repo:acme/terrace:environment:production',
      },
    })
    expect(property(named.Resources.CiRole, 'Description')).toBe(
      'What the environment production of acme/terrace may do',
    )
  })

  test('a deployment changes records in those zones only; without any, in every zone, and its name says so', () => {
    const record = (zone: string, kind = 'A'): Call => ({
      action: 'route53:ChangeResourceRecordSets',
      on: `arn:aws:route53:::hostedzone/${zone}`,
      given: { 'route53:ChangeResourceRecordSetsRecordTypes': kind },
    })
    const of = (template: Template) => statementsOf(template, 'CloudFormationRole')
    const may = (template: Template, call: Call) => allows(of(template), call)
    expect([may(named, record('Z0PROD')), may(named, record('Z0STAGING', 'CNAME'))]).toEqual([true, true])
    expect([may(named, record('Z0MAIL')), may(named, record('Z0PROD', 'MX'))]).toEqual([false, false])
    expect([may(TEMPLATE, record('Z0MAIL')), may(TEMPLATE, record('Z0MAIL', 'MX'))]).toEqual([true, false])
    const sids = (template: Template) => of(template).map((statement) => at(statement, 'Sid'))
    expect(sids(named)).not.toContain('RecordsInAnyZone')
    expect(sids(TEMPLATE)).toContain('RecordsInAnyZone')
  })
})
