// What the parts say to each other: the environment of servers, and what changes when it changes.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { Template } from './cfn.ts'
import { imagesFor } from './images.ts'
import { at, property } from './reading.ts'
import { SAMPLE_IMAGES } from './sample-images.ts'
import { sample } from './samples.ts'
import { terrace } from './stack.ts'
import { STAGES } from './stages.ts'

/** A JSON document in the template, with its tokens as they stand there. */
function read(value: unknown): Record<string, unknown> {
  const [text, values] = at(value, 'Fn::Sub') as [string, Record<string, unknown>]
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'string' && /^\$\{V\d+\}$/.test(item) ? values[item.slice(2, -1)] : item,
  )
}
const environment = (template: Template, tier: 'Api' | 'Web') =>
  read(property(template.Resources[`${tier}Environment`], 'Value'))
const userData = (template: Template, tier: 'Api' | 'Web') =>
  read(property(template.Resources[`${tier}Template`], 'LaunchTemplateData.UserData.Fn::Base64'))

test('what API servers are told', () => {
  const { template } = sample('prod')
  expect(environment(template, 'Api')).toMatchObject({
    HOST: '0.0.0.0',
    PORT: '4000',
    PUBLIC_URL: 'https://terrace.example.com',
    TRUSTED_PROXY_HOPS: '2',
    DATABASE_AUTH: 'iam',
    DATABASE_CA: '/etc/terrace/rds-ca.pem',
    MIGRATE_AT_START: '0',
    TERRACE_STAGE: 'prod',
    STORAGE: { 'Fn::Sub': ['s3://${bucket}/${prefix}', { bucket: { Ref: 'Documents' }, prefix: 'terrace' }] },
  })
  expect(JSON.stringify(environment(template, 'Api').DATABASE_URL)).toContain('terrace_app@')
  expect(userData(template, 'Api')).toMatchObject({
    stage: 'prod',
    tier: 'api',
    region: 'eu-west-1',
    parameters: '/terrace/prod/api',
    secrets: { AUTH_SECRET: { Ref: 'AuthSecret' }, SETUP_TOKEN: { Ref: 'SetupToken' } },
    environment: { TERRACE_RELEASE: 'sample', TERRACE_IMAGE_MADE_AT: '2026-11-28T00:00:00Z' },
    inServiceAfter: 30,
  })
})

test('what web servers are told', () => {
  const { template } = sample('prod')
  expect(environment(template, 'Web')).toMatchObject({
    PORT: '3000',
    NEXT_MANUAL_SIG_HANDLE: '1',
    API_URL: { 'Fn::Sub': ['http://${host}', { host: { 'Fn::GetAtt': ['InternalBalancer', 'DNSName'] } }] },
    TRUSTED_PROXY_HOPS: '1',
    TERRACE_STAGE: 'prod',
  })
  expect(userData(template, 'Web')).toMatchObject({ tier: 'web', secrets: {} })
})

test('where servers migrate, they sign in as the database’s owner; elsewhere none can', () => {
  const dev = sample('dev').template
  expect(environment(dev, 'Api')).toMatchObject({
    ...{ DATABASE_AUTH: 'password', MIGRATE_AT_START: '1' },
    // Its database, too, takes no connection without TLS.
    DATABASE_CA: '/etc/terrace/rds-ca.pem',
  })
  expect(JSON.stringify(environment(dev, 'Api'))).not.toContain('terrace_app')
  expect(userData(dev, 'Api').secrets).toMatchObject({ DATABASE_URL: { Ref: 'DatabaseOwner' } })
  expect(dev.Resources.MigrationRole).toBeUndefined()
  const prod = JSON.stringify(sample('prod').template.Resources.ApiRole)
  expect(prod).toContain('rds-db:connect')
  expect(prod).not.toContain('DatabaseOwner')
})

test('every variable of it is documented', () => {
  const documented = readFileSync(path.join(import.meta.dirname, '../docs/configuration.md'), 'utf8')
  const names = (['Api', 'Web'] as const).flatMap((tier) =>
    Object.keys(environment(sample('prod').template, tier)),
  )
  expect(names.filter((name) => !documented.includes(`\`${name}\``))).toEqual([])
})

test('another environment is another launch template; an image’s release is no part of the environment', () => {
  const before = sample('prod').template
  const moved = sample('prod', {
    entrance: { kind: 'hosted-zone', domain: 'ask.example.com', zone: 'Z0EXAMPLE0PROD' },
  }).template
  expect(userData(moved, 'Api').fingerprint).not.toBe(userData(before, 'Api').fingerprint)
  expect(userData(moved, 'Web')).toEqual(userData(before, 'Web'))
  const set = { ...SAMPLE_IMAGES, release: 'next' }
  const next = terrace('prod', STAGES.prod, imagesFor('prod', STAGES.prod, set))
  const changed = Object.keys(next.Resources).filter(
    (id) => JSON.stringify(next.Resources[id]) !== JSON.stringify(before.Resources[id]),
  )
  expect(changed).toEqual(['ApiTemplate', 'WebTemplate'])
})

test('an image that boots slowly is waited for', () => {
  const set = { ...SAMPLE_IMAGES, bootSeconds: { api: 400, web: 30 } }
  const { Resources } = terrace('prod', STAGES.prod, imagesFor('prod', STAGES.prod, set))
  const patience = (id: string) =>
    property(Resources[id], 'LifecycleHookSpecificationList.0.HeartbeatTimeout')
  expect([patience('ApiGroup'), patience('WebGroup')]).toEqual([1200, 600])
})

test('where the database’s log is, which ends only when somebody says so', () => {
  const { Outputs } = sample('prod').template
  expect(Outputs.DatabaseLogs?.Value).toEqual({
    'Fn::Sub': ['/aws/rds/instance/${id}/postgresql', { id: { Ref: 'Database' } }],
  })
  const page = readFileSync(path.join(import.meta.dirname, '../docs/runbooks/database-logs.md'), 'utf8')
  expect(page).toContain('aws logs put-retention-policy')
})

test('servers are not made without images', () => {
  expect(() => terrace('prod', STAGES.prod, undefined)).toThrow('has servers, and no images')
})

test('API servers may ask the models of Bedrock that the stage names, and no others; web servers none', () => {
  const rights = (tier: 'Api' | 'Web', bedrockModels: string[]) =>
    JSON.stringify(sample('prod', { bedrockModels }).template.Resources[`${tier}Role`]).match(
      /"[^"]*bedrock[^"]*"/g,
    )
  expect(rights('Api', [])).toBeNull()
  const both = ['meta.llama3-1-8b-instruct-v1:0', 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0']
  expect(rights('Web', both)).toBeNull()
  const { template } = sample('prod', { bedrockModels: both })
  const statements = property(template.Resources.ApiRole, 'Policies.0.PolicyDocument.Statement') as object[]
  const resources = at(statements.at(-1), 'Resource') as unknown[]
  expect(resources.map((one) => at(one, 'Fn::Sub'))).toEqual([
    ['arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${id}', { id: both[0] }],
    [
      'arn:${AWS::Partition}:${service}:${AWS::Region}:${account}:${resource}',
      { service: 'bedrock', account: '111122223333', resource: `inference-profile/${both[1]}` },
    ],
    [
      'arn:${AWS::Partition}:bedrock:*::foundation-model/${model}',
      { model: 'anthropic.claude-sonnet-4-5-20250929-v1:0' },
    ],
  ])
})

test('by a hosted zone people find the load balancer, and its certificate is made, validated and renewed there', () => {
  const { stage, template } = sample('staging')
  const { entrance } = stage
  if (entrance.kind !== 'hosted-zone') throw new Error('staging has another entrance')
  const { domain, zone } = entrance
  expect(template.Resources.Address).toMatchObject({
    Type: 'AWS::Route53::RecordSet',
    Properties: {
      HostedZoneId: zone,
      Name: domain,
      Type: 'A',
      AliasTarget: {
        HostedZoneId: { 'Fn::GetAtt': ['ExternalBalancer', 'CanonicalHostedZoneID'] },
        DNSName: { 'Fn::GetAtt': ['ExternalBalancer', 'DNSName'] },
      },
    },
  })
  expect(template.Resources.Certificate?.Properties).toEqual({
    DomainName: domain,
    ValidationMethod: 'DNS',
    DomainValidationOptions: [{ DomainName: domain, HostedZoneId: zone }],
  })
  expect(property(template.Resources.HttpsListener, 'Certificates')).toEqual([
    { CertificateArn: { Ref: 'Certificate' } },
  ])
  expect(sample('prod').template.Resources).not.toHaveProperty('Address')
})

test('servers that a stage puts into private subnets have no address of their own', () => {
  const placed = (webPlacement: 'public' | 'private') => {
    const { Resources } = sample('prod', { webPlacement }).template
    return [
      property(Resources.WebTemplate, 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress'),
      property(Resources.WebGroup, 'VPCZoneIdentifier'),
    ]
  }
  const subnets = (kind: string) => [{ Ref: `${kind}SubnetA` }, { Ref: `${kind}SubnetB` }]
  expect(placed('public')).toEqual([true, subnets('Public')])
  expect(placed('private')).toEqual([false, subnets('App')])
  const { ApiTemplate, ApiGroup } = sample('prod').template.Resources
  expect(property(ApiTemplate, 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress')).toBe(false)
  expect(property(ApiGroup, 'VPCZoneIdentifier')).toEqual(subnets('App'))
})
