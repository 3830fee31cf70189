// Settings that keep servers, ways to them, and who is told safe: to take one away is blocked, to give it is not.
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { type Draft, setAttribute } from '../rules/rule.ts'
import { guardsLost } from './guard-table.ts'
import { type Case, changed, PROD, reasons, set } from './pairs.ts'

const IMDS = 'LaunchTemplateData.MetadataOptions'
const tls = (policy: string | undefined) => set('HttpsListener', 'SslPolicy', policy)
const balancer = (key: string, value: string) => (draft: Draft) =>
  setAttribute(draft, 'ExternalBalancer', 'LoadBalancerAttributes', key, value)

/** What is expected is the whole of what the plan says. */
const CASES: readonly Case[] = [
  [
    'what is told of the database',
    set('DatabaseEvents', 'EventCategories', ['failure']),
    'DatabaseEvents would tell of less: EventCategories',
  ],
  [
    'IMDSv1',
    set('ApiTemplate', `${IMDS}.HttpTokens`, 'optional'),
    'ApiTemplate gives a server’s credentials to whoever makes it fetch an address: LaunchTemplateData.MetadataOptions.HttpTokens',
  ],
  [
    'IMDSv1 unsaid',
    set('WebTemplate', `${IMDS}.HttpTokens`, undefined),
    'WebTemplate gives a server’s credentials to whoever makes it fetch an address: LaunchTemplateData.MetadataOptions.HttpTokens',
  ],
  [
    'a hop more',
    set('WebTemplate', `${IMDS}.HttpPutResponseHopLimit`, 2),
    'WebTemplate gives a server’s credentials to what is farther away: LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit',
  ],
  [
    'a key',
    set('WebTemplate', 'LaunchTemplateData.KeyName', 'admin'),
    'WebTemplate lets the holder of a key in: LaunchTemplateData.KeyName',
  ],
  [
    'a disk',
    set('ApiTemplate', 'LaunchTemplateData.BlockDeviceMappings.0.Ebs.Encrypted', false),
    'ApiTemplate no longer encrypts disks: LaunchTemplateData.BlockDeviceMappings',
  ],
  [
    'the image’s disk',
    set('ApiTemplate', 'LaunchTemplateData.BlockDeviceMappings', []),
    'ApiTemplate no longer encrypts disks: LaunchTemplateData.BlockDeviceMappings',
  ],
  [
    'buckets of others',
    set('S3Endpoint', 'PolicyDocument.Statement.0.Condition', undefined),
    'S3Endpoint lets servers reach what belongs to others without leaving a trace: PolicyDocument.Statement',
  ],
  [
    'TLS 1.1',
    tls('ELBSecurityPolicy-TLS13-1-1-2021-06'),
    'HttpsListener takes weaker encryption on the way: SslPolicy',
  ],
  [
    'more ciphers',
    tls('ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06'),
    'HttpsListener takes weaker encryption on the way: SslPolicy',
  ],
  [
    'a TLS policy that nobody knows',
    tls('ELBSecurityPolicy-Something-2031-01'),
    'HttpsListener takes weaker encryption on the way: SslPolicy',
  ],
  ['AWS’s own TLS policy', tls(undefined), 'HttpsListener takes weaker encryption on the way: SslPolicy'],
  [
    'HSTS',
    set('HttpsListener', 'ListenerAttributes', []),
    'HttpsListener lets browsers come without encryption: routing.http.response.strict_transport_security.header_value',
  ],
  [
    'protection of a load balancer',
    balancer('deletion_protection.enabled', 'false'),
    'ExternalBalancer is no longer protected: deletion_protection.enabled',
  ],
  [
    'logs of a load balancer',
    balancer('access_logs.s3.enabled', 'false'),
    'ExternalBalancer would no longer note who asks for what: access_logs.s3.enabled',
  ],
  [
    'headers',
    balancer('routing.http.drop_invalid_header_fields.enabled', 'false'),
    'ExternalBalancer passes on what only looks like a header: routing.http.drop_invalid_header_fields.enabled',
  ],
  [
    'addresses',
    balancer('routing.http.xff_header_processing.mode', 'preserve'),
    'ExternalBalancer takes people’s word for their address: routing.http.xff_header_processing.mode',
  ],
  [
    'a role’s bounds',
    set('ApiRole', 'PermissionsBoundary', undefined),
    'ApiRole may do more than the bootstrap allows: PermissionsBoundary',
  ],
  [
    'a key’s rotation',
    set('AlertsKey', 'EnableKeyRotation', false),
    'AlertsKey is no longer renewed: EnableKeyRotation',
  ],
  [
    'a key that is off',
    set('AlertsKey', 'Enabled', false),
    'AlertsKey holds data, and nothing could be read with it: Enabled',
  ],
  ['logs', set('ApiLogs', 'RetentionInDays', 14), 'ApiLogs would forget sooner: RetentionInDays'],
  ['events', set('DatabaseEvents', 'Enabled', false), 'DatabaseEvents would tell nobody: Enabled'],
  [
    'a topic’s encryption',
    set('Alerts', 'KmsMasterKeyId', undefined),
    'Alerts is encrypted in another way: KmsMasterKeyId',
  ],
  [
    'an alarm that is off',
    set('DatabaseStorage', 'ActionsEnabled', false),
    'DatabaseStorage would tell nobody: ActionsEnabled',
  ],
  [
    'an alarm without anyone',
    set('DatabaseStorage', 'AlarmActions', []),
    'DatabaseStorage would tell nobody: AlarmActions',
  ],
  [
    'a state that is off',
    set('DatabaseState', 'ActionsEnabled', false),
    'DatabaseState would tell nobody: ActionsEnabled',
  ],
  [
    'a state that another one hushes',
    set('ApiState', 'ActionsSuppressor', { Ref: 'WebState' }),
    'ApiState would tell nobody while another alarm lasts: ActionsSuppressor',
  ],
]

test.for(CASES)('%s', ([, edit, reason]) => {
  const after = changed(PROD, edit)
  expect(reasons(PROD, after)).toEqual([reason])
  expect(reasons(after, PROD)).toEqual([])
})

describe('as safe as before', () => {
  test.for([
    ['a stricter TLS policy', tls('ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09')],
    ['the same policy after quanta', tls('ELBSecurityPolicy-TLS13-1-2-PQ-2025-09')],
    ['TLS 1.3 only', tls('ELBSecurityPolicy-TLS13-1-3-2021-06')],
    ['another threshold', set('DatabaseCpu', 'Threshold', 95)],
    ['another person', set('AlertsTo1', 'Endpoint', 'others@example.com')],
  ] as const)('%s', ([, edit]) => {
    expect(reasons(PROD, changed(PROD, edit))).toEqual([])
  })
})

test.each([
  ['2-FIPS-2023-04', '2-2021-06'],
  ['2-PQ-2025-09', '2-2021-06'],
  ['2-Res-PQ-2025-09', '2-Res-2021-06'],
  ['2-2021-06', '2-Ext1-2021-06'],
  ['2-Ext1-2021-06', '2-Ext2-2021-06'],
  ['3-2021-06', '2-Res-2021-06'],
])('a TLS policy that says less is weaker, and the other way round it is not: %s, %s', (more, less) => {
  const listener = (policy: string): Template => ({
    Description: '',
    Outputs: {},
    Resources: {
      Listener: {
        Type: 'AWS::ElasticLoadBalancingV2::Listener',
        Properties: { Protocol: 'HTTPS', SslPolicy: `ELBSecurityPolicy-TLS13-1-${policy}` },
      },
    },
  })
  expect(guardsLost(listener(more), listener(less))).toHaveLength(1)
  expect(guardsLost(listener(less), listener(more))).toEqual([])
})
