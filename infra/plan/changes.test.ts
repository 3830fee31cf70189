// The gate, measured by AWS's own reference: reference.csv holds what each page of the CloudFormation User Guide says of
// each property ("Update requires: …"), read from its archived source (awsdocs/aws-cloudformation-user-guide, commit
// 19dc52cd, December 2023; CompositeAlarm's page: 16a36079). It is not made from the data that the comparison works with.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { change, type Draft, setAttribute } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { compare } from './changes.ts'

type Says = 'Replacement' | 'Some interruptions' | 'No interruption'
const REFERENCE = readFileSync(path.join(import.meta.dirname, 'reference.csv'), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(','))
  .map(([type = '', page = '', name = '', says = '']) => ({ type, page, name, says: says as Says }))
/** Where AWS's data of today is stricter than that edition: taken for true, since the worse of the two costs nothing. */
const STRICTER = [
  'AWS::EC2::VPCGatewayAttachment VpcId',
  'AWS::SecretsManager::SecretTargetAttachment SecretId',
]
const says = new Map(
  REFERENCE.map((line): [string, Says] => {
    const key = `${line.type} ${line.name}`
    return [key, STRICTER.includes(key) ? 'Replacement' : line.says]
  }),
)

/** Attributes that this edition of the reference lists among properties: they can't be set, so they can't change. */
const READ_ONLY = ['CertificateDetails', 'Endpoint']

const one = (type: string, name: string, value: string): Template => ({
  Description: '',
  Outputs: {},
  Resources: { One: { Type: type, Properties: { [name]: value } } },
})

const CASES = REFERENCE.filter(({ name }) => !READ_ONLY.includes(name))

test('there are enough of them, of every type that the stack has', () => {
  expect(CASES.filter((line) => line.says === 'Replacement').length).toBeGreaterThan(60)
  const known = new Set(REFERENCE.map(({ type }) => type))
  const used = new Set(Object.values(sample('prod').template.Resources).map(({ Type }) => Type))
  expect([...used].filter((type) => !known.has(type))).toEqual([])
})

test.for(CASES)('$type $name: $says ($page)', ({ type, name }) => {
  const [found] = compare(one(type, name, 'a'), one(type, name, 'b'))
  const effect = found?.effect
  const truth = says.get(`${type} ${name}`)
  if (truth === 'Replacement') expect(effect).toBe('replace')
  else if (truth === 'No interruption') expect(effect).toBe('update')
  // Some of these do replace, by the value: whoever plans is told.
  else expect(['update', 'may-replace']).toContain(effect)
  const holdsData = /^AWS::(KMS::Key|Logs::LogGroup|RDS::DBInstance|S3::Bucket|SecretsManager::Secret)$/.test(
    type,
  )
  const isReplica = type === 'AWS::RDS::DBInstance' && name === 'SourceDBInstanceIdentifier'
  if (effect === 'replace' && !isReplica) expect(found?.blocked !== undefined).toBe(holdsData)
})

describe('what follows from one replacement for the others, by the reference alone', () => {
  /** Resources that have to be made anew, found without the comparison. */
  function closure(template: Template, first: string): string[] {
    const replaced = new Set([first])
    for (let before = -1; before !== replaced.size; ) {
      before = replaced.size
      for (const [id, { Type, Properties }] of Object.entries(template.Resources))
        for (const [name, value] of Object.entries(Properties)) {
          const text = JSON.stringify(value)
          const refers = [...replaced].some(
            (other) => text.includes(`{"Ref":"${other}"}`) || text.includes(`{"Fn::GetAtt":["${other}",`),
          )
          if (refers && says.get(`${Type} ${name}`) === 'Replacement') replaced.add(id)
        }
    }
    return [...replaced].sort()
  }

  const CHANGES: readonly [id: string, property: string, value: unknown][] = [
    ['Vpc', 'CidrBlock', '10.99.0.0/16'],
    ['PublicSubnetA', 'CidrBlock', '10.22.64.0/20'],
    ['AppSubnetB', 'CidrBlock', '10.22.64.0/20'],
    ['DatabaseSubnetA', 'VpcId', 'vpc-other'],
    ['NatAddressA', 'Domain', 'standard'],
    ['NatA', 'ConnectivityType', 'private'],
    ['PublicRoutes', 'VpcId', 'vpc-other'],
    ['AppBRoutes', 'VpcId', 'vpc-other'],
    ['ApiSecurityGroup', 'GroupDescription', 'other'],
    ['DatabaseSecurityGroup', 'GroupDescription', 'other'],
    ['ExternalBalancer', 'Scheme', 'internal'],
    ['InternalBalancer', 'Scheme', 'internet-facing'],
    ['ApiTargets', 'Port', 4001],
    ['WebTargets', 'Protocol', 'HTTPS'],
    ['DatabaseSubnets', 'DBSubnetGroupName', 'other'],
    ['DatabaseParameters', 'Family', 'postgres19'],
    ['DatabaseOwner', 'Name', 'other'],
    ['Database', 'DBName', 'other'],
    ['ApiRole', 'RoleName', 'other'],
    ['WebProfile', 'InstanceProfileName', 'other'],
    ['Logs', 'BucketName', 'other'],
    ['Documents', 'BucketName', 'other'],
    ['AlertsKey', 'KeySpec', 'RSA_2048'],
    ['Alerts', 'TopicName', 'other'],
    ['ApiTemplate', 'LaunchTemplateName', 'other'],
    ['ApiGroup', 'AutoScalingGroupName', 'other'],
  ]

  test.for(CHANGES)('%s %s', ([id, name, value]) => {
    const { template } = sample('prod')
    const draft: Draft = JSON.parse(JSON.stringify(template))
    change(draft, id, name, value)
    const after = JSON.parse(JSON.stringify(draft))
    expect(says.get(`${template.Resources[id]?.Type} ${name}`)).toBe('Replacement')
    const changes = compare(template, after)
    const replaced = changes.filter(({ effect }) => effect === 'replace').map((one) => one.id)
    expect(replaced).toEqual(closure(after, id))
    const holdsData = [
      'Database',
      'Documents',
      'Logs',
      'DatabaseOwner',
      'AuthSecret',
      'SetupToken',
      'AlertsKey',
    ]
    expect(
      changes
        .filter(({ effect, blocked }) => effect === 'replace' && blocked?.startsWith('holds data'))
        .map((one) => one.id),
    ).toEqual(replaced.filter((one) => holdsData.includes(one)))
  })
})

describe('what else is not done to data without being asked for by name', () => {
  const { template } = sample('prod')
  const planned = (edit: (draft: Draft) => void) => {
    const draft: Draft = JSON.parse(JSON.stringify(template))
    edit(draft)
    return compare(template, JSON.parse(JSON.stringify(draft)))
  }
  const reasons = (edit: (draft: Draft) => void) =>
    planned(edit).flatMap(({ id, blocked }) => (blocked ? [`${id} ${blocked}`] : []))

  test.for<[string, (draft: Draft) => void, string]>([
    [
      'removal',
      (draft) => {
        delete draft.Resources.Documents
      },
      'Documents holds data, and goes',
    ],
    [
      'removal of what servers have said',
      (draft) => {
        delete draft.Resources.ApiLogs
      },
      'ApiLogs holds data, and goes',
    ],
    [
      'what servers have said under another name',
      (draft) => change(draft, 'ApiLogs', 'LogGroupName', 'api'),
      'ApiLogs holds data, and is made anew, empty: LogGroupName',
    ],
    [
      'no snapshot',
      (draft) => {
        delete draft.Resources.Database?.DeletionPolicy
      },
      'Database holds data, and would go without a trace: DeletionPolicy',
    ],
    [
      'no snapshot when replaced',
      (draft) => {
        delete draft.Resources.Database?.UpdateReplacePolicy
      },
      'Database holds data, and would go without a trace: UpdateReplacePolicy',
    ],
    [
      'no protection',
      (draft) => change(draft, 'Database', 'DeletionProtection', false),
      'Database holds data, and is no longer protected',
    ],
    [
      'perhaps',
      (draft) => change(draft, 'Database', 'MultiAZ', false),
      'Database holds data, and may be made anew, empty: MultiAZ',
    ],
    [
      'something else by its name',
      (draft) => {
        draft.Resources.Database = { Type: 'AWS::SNS::Topic', Properties: {} }
      },
      'Database holds data, and is made anew, empty: Type',
    ],
    [
      'promotion',
      (draft) => change(draft, 'DatabaseReplica', 'SourceDBInstanceIdentifier', undefined),
      'DatabaseReplica promotes the replica to a database of its own, for good',
    ],
  ])('%s', ([, edit, reason]) => {
    expect(reasons(edit)).toEqual([reason])
  })

  test.for<[string, (draft: Draft) => void]>([
    ['more storage', (draft) => change(draft, 'Database', 'AllocatedStorage', '200')],
    ['a larger class', (draft) => change(draft, 'Database', 'DBInstanceClass', 'db.r7g.large')],
    [
      'a replica that goes',
      (draft) => {
        delete draft.Resources.DatabaseReplica
      },
    ],
    ['another image', (draft) => change(draft, 'ApiTemplate', 'LaunchTemplateData.ImageId', 'ami-1')],
    ['a role with another name', (draft) => change(draft, 'ApiRole', 'RoleName', 'x')],
  ])('and these are: %s', ([, edit]) => {
    expect(planned(edit)).not.toEqual([])
    expect(reasons(edit)).toEqual([])
  })

  test('how browsers stay with a web server changes in place, and nothing is made anew for it', () => {
    for (const [key, value] of [
      ['stickiness.enabled', 'false'],
      ['stickiness.type', 'lb_cookie'],
      ['stickiness.app_cookie.duration_seconds', '60'],
    ] as const)
      expect(
        planned((draft) => setAttribute(draft, 'WebTargets', 'TargetGroupAttributes', key, value)),
      ).toMatchObject([
        { id: 'WebTargets', effect: 'update', differing: ['TargetGroupAttributes'], blocked: undefined },
      ])
  })

  test('the same template twice is no change', () => {
    expect(planned(() => {})).toEqual([])
  })
})

describe('how two values are compared', () => {
  const of = (Resources: Template['Resources']): Template => ({ Description: '', Outputs: {}, Resources })
  const vpc = (CidrBlock: string) => ({ Type: 'AWS::EC2::VPC', Properties: { CidrBlock } })

  test('a number and its text are the same, and so are two orders of keys; of a list they are not', () => {
    const listener = (Properties: Record<string, unknown>) =>
      of({ One: { Type: 'AWS::ElasticLoadBalancingV2::Listener', Properties } })
    const before = listener({ Port: 80, Certificates: [{ CertificateArn: 'a' }, { CertificateArn: 'b' }] })
    expect(
      compare(
        before,
        listener({ Certificates: [{ CertificateArn: 'a' }, { CertificateArn: 'b' }], Port: '80' }),
      ),
    ).toEqual([])
    expect(
      compare(
        before,
        listener({ Port: 80, Certificates: [{ CertificateArn: 'b' }, { CertificateArn: 'a' }] }),
      ),
    ).toMatchObject([{ effect: 'update', differing: ['Certificates'] }])
  })

  test.for(['${Net}', 'arn:${Net.VpcId}/x'])('a reference inside a text is one: %s', (text) => {
    const subnet = { Type: 'AWS::EC2::Subnet', Properties: { VpcId: { 'Fn::Sub': text } } }
    const changes = compare(
      of({ Net: vpc('10.0.0.0/16'), Sub: subnet }),
      of({ Net: vpc('10.1.0.0/16'), Sub: subnet }),
    )
    expect(changes.map(({ id, effect }) => [id, effect])).toEqual([
      ['Net', 'replace'],
      ['Sub', 'replace'],
    ])
  })

  test('another type under the same name is another resource; an unknown property may do anything', () => {
    const changes = compare(
      of({ A: vpc('10.0.0.0/16'), B: { Type: 'AWS::New::Thing', Properties: { Size: 1 } } }),
      of({
        A: { Type: 'AWS::SNS::Topic', Properties: {} },
        B: { Type: 'AWS::New::Thing', Properties: { Size: 2 } },
      }),
    )
    expect(changes.map(({ id, effect }) => [id, effect])).toEqual([
      ['A', 'replace'],
      ['B', 'may-replace'],
    ])
  })
})
