// What an update must not take away without being asked for by name, by the type of the resource.
import type { Template } from '../cfn.ts'
import { at, list, property, refersTo } from '../reading.ts'
import {
  type Guard,
  inBoth,
  isNotNew,
  isSaid,
  isUnchanged,
  keepsAll,
  keepsSome,
  type Lost,
  lostOf,
  never,
  noEarlierIn,
  noLess,
  parametersOf,
  stays,
} from './guards.ts'
import { canonical } from './mentions.ts'

/** TLS policies of load balancers by what they take at least; of those that are not known, the least. */
const strength = (policy: unknown): { least: number; with: readonly string[] } | undefined => {
  const [, minor, kind = '', ...more] =
    /^ELBSecurityPolicy-TLS13-1-([0-3])(?:-(Res|Ext\d))?(?:-(FIPS))?(?:-(PQ))?-\d{4}-\d{2}$/.exec(
      String(policy),
    ) ?? []
  if (minor === undefined) return undefined
  // `Res` leaves ciphers out, `Ext1` takes some back in, `Ext2` more.
  const order = ['Ext2', 'Ext1', 'Ext0', '', 'Res'].indexOf(kind)
  return { least: Number(minor) * 10 + order, with: more.filter((one) => one !== undefined) }
}
const noWeakerPolicy: Lost = (was, is) => {
  const [before, now] = [strength(was), strength(is)]
  if (was === is) return false
  if (now === undefined) return true
  if (before === undefined) return false
  return now.least < before.least || before.with.some((one) => !now.with.includes(one))
}

/** What of a bucket goes by itself, and how soon. */
const ENDS = [
  'ExpirationInDays',
  'NoncurrentVersionExpirationInDays',
  'NoncurrentVersionExpiration.NoncurrentDays',
  'NoncurrentVersionExpiration.NewerNoncurrentVersions',
] as const
/** What a rule is for; the whole bucket when nothing is said. */
const scopeOf = (rule: unknown) =>
  ['Prefix', 'TagFilters', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan']
    .map((name) => canonical(at(rule, name) ?? ''))
    .join(' ')
const WHOLE = scopeOf({})
const keepsAsLong =
  (end: string): Lost =>
  (was, is) => {
    const ends = (rules: unknown) =>
      list(rules)
        .filter((rule) => at(rule, 'Status') === 'Enabled' && at(rule, end) !== undefined)
        .map((rule) => ({ scope: scopeOf(rule), at: Number(at(rule, end)) }))
    const known = ends(was)
    return ends(is).some(
      (now) => !known.some((one) => (one.scope === now.scope || one.scope === WHOLE) && one.at <= now.at),
    )
  }
const noNewDate: Lost = (was, is) => {
  const dates = (rules: unknown) => list(rules).map((rule) => canonical(at(rule, 'ExpirationDate') ?? ''))
  return dates(is).some((date) => date !== '""' && !dates(was).includes(date))
}
const allHeldTo: Lost = (was, is) => {
  const isHeld = (statement: unknown) =>
    at(statement, 'Effect') === 'Deny' || at(statement, 'Condition') !== undefined
  const areHeld = (statements: unknown) => list(statements).length > 0 && list(statements).every(isHeld)
  return areHeld(was) && !areHeld(is)
}
const encryptsDisks: Lost = (was, is) => {
  const open = (disks: unknown) =>
    list(disks).filter(
      (disk) => at(disk, 'Ebs') !== undefined && String(at(disk, 'Ebs.Encrypted')) !== 'true',
    ).length
  return open(is) > open(was) || keepsSome(was, is)
}

/** Whom such a group lets in, no template says; without any it is the VPC's own. */
const noForeignGroup: Lost = (was, is) => {
  const known = list(was).map(canonical)
  const isForeign = (group: unknown) => refersTo(group) === undefined && !known.includes(canonical(group))
  return keepsSome(was, is) || list(is).some(isForeign)
}

/** Of the group, and of a database that is given another one. */
const PARAMETERS: readonly Guard[] = [
  ['[rds.force_ssl]', stays(1), 'no longer refuses connections without encryption'],
  [
    '[ssl_min_protocol_version]',
    noEarlierIn(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], 'TLSv1.2'),
    'takes older encryption on the way',
  ],
  ['[ssl_ciphers]', isUnchanged, 'takes other encryption on the way'],
  ['[password_encryption]', never('md5'), 'keeps passwords less safe'],
  ['[rds.accepted_password_auth_method]', stays('scram'), 'takes passwords that are kept less safe'],
  ['[rds.restrict_password_commands]', stays(1), 'lets more of its roles change passwords'],
  ['[log_parameter_max_length]', stays(0), 'would log what stands in documents'],
  [
    '[log_parameter_max_length_on_error]',
    (was, is) => noLess(0)(is, was),
    'would log what stands in documents',
  ],
]

const BUCKET_ENDS = ENDS.map(
  (end): Guard => [
    'LifecycleConfiguration.Rules',
    keepsAsLong(end),
    `holds data, and would remove it sooner (${end})`,
  ],
)

const ENCRYPTION = 'BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault'

/** Of alarms and alarms over alarms. */
const TELLS: readonly Guard[] = [
  ['ActionsEnabled', never(false), 'would tell nobody'],
  ['AlarmActions', keepsSome, 'would tell nobody'],
]

const GUARDS: Readonly<Record<string, readonly Guard[]>> = {
  'AWS::CloudWatch::Alarm': TELLS,
  'AWS::CloudWatch::CompositeAlarm': [
    ...TELLS,
    ['ActionsSuppressor', (was, is) => isSaid(is, was), 'would tell nobody while another alarm lasts'],
  ],
  'AWS::EC2::FlowLog': [['TrafficType', stays('ALL'), 'would no longer note all of the traffic']],
  'AWS::EC2::LaunchTemplate': [
    [
      'LaunchTemplateData.MetadataOptions.HttpTokens',
      stays('required'),
      'gives a server’s credentials to whoever makes it fetch an address',
    ],
    [
      'LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit',
      (was, is) => noLess(1)(is, was),
      'gives a server’s credentials to what is farther away',
    ],
    ['LaunchTemplateData.KeyName', (was, is) => isUnchanged(is, was), 'lets the holder of a key in'],
    ['LaunchTemplateData.BlockDeviceMappings', encryptsDisks, 'no longer encrypts disks'],
  ],
  'AWS::EC2::VPCEndpoint': [
    [
      'PolicyDocument.Statement',
      allHeldTo,
      'lets servers reach what belongs to others without leaving a trace',
    ],
  ],
  'AWS::ElasticLoadBalancingV2::Listener': [
    ['Protocol', stays('HTTPS'), 'no longer encrypts on the way'],
    ['SslPolicy', noWeakerPolicy, 'takes weaker encryption on the way'],
    [
      'ListenerAttributes[routing.http.response.strict_transport_security.header_value]',
      isSaid,
      'lets browsers come without encryption',
    ],
  ],
  'AWS::ElasticLoadBalancingV2::LoadBalancer': [
    ['LoadBalancerAttributes[deletion_protection.enabled]', stays(true), 'is no longer protected'],
    ['LoadBalancerAttributes[access_logs.s3.enabled]', stays(true), 'would no longer note who asks for what'],
    [
      'LoadBalancerAttributes[routing.http.drop_invalid_header_fields.enabled]',
      stays(true),
      'passes on what only looks like a header',
    ],
    [
      'LoadBalancerAttributes[routing.http.xff_header_processing.mode]',
      stays('append'),
      'takes people’s word for their address',
    ],
  ],
  'AWS::IAM::Role': [['PermissionsBoundary', isUnchanged, 'may do more than the bootstrap allows']],
  'AWS::KMS::Key': [
    ['EnableKeyRotation', stays(true), 'is no longer renewed'],
    ['Enabled', never(false), 'holds data, and nothing could be read with it'],
    ['PendingWindowInDays', noLess(30), 'holds data, and would go sooner once it is deleted'],
  ],
  'AWS::Logs::LogGroup': [
    ['RetentionInDays', noLess(Infinity), 'would forget sooner'],
    ['KmsKeyId', isUnchanged, 'is encrypted in another way'],
  ],
  'AWS::OpenSearchService::Domain': [
    [
      'EncryptionAtRestOptions.Enabled',
      stays(true),
      'would no longer encrypt text of documents where it lies',
    ],
    ['NodeToNodeEncryptionOptions.Enabled', stays(true), 'would no longer encrypt between its nodes'],
    ['DomainEndpointOptions.EnforceHTTPS', stays(true), 'takes requests without encryption'],
    ['DomainEndpointOptions.TLSSecurityPolicy', isUnchanged, 'takes other encryption on the way'],
    ['VPCOptions', isSaid, 'would stand in the internet'],
    [
      'VPCOptions.SecurityGroupIds',
      noForeignGroup,
      'lets in whom a group lets in that is not of this template',
    ],
    ['LogPublishingOptions.ES_APPLICATION_LOGS.Enabled', stays(true), 'would no longer keep its log'],
  ],
  'AWS::RDS::DBInstance': [
    ['PubliclyAccessible', never(true), 'holds data, and would be reachable from outside'],
    [
      'VPCSecurityGroups',
      noForeignGroup,
      'holds data, and lets in whom a group lets in that is not of this template',
    ],
    ['EnableIAMDatabaseAuthentication', stays(true), 'no longer lets servers sign in by their roles'],
    ['BackupRetentionPeriod', noLess(1), 'holds data, and would keep its backups for less long'],
    ['DeleteAutomatedBackups', stays(false), 'holds data, and would take its backups along when it goes'],
    ['EnableCloudwatchLogsExports', keepsAll, 'would no longer keep all of its logs'],
  ],
  'AWS::RDS::DBParameterGroup': PARAMETERS.map(([place, ...rest]): Guard => [`Parameters${place}`, ...rest]),
  'AWS::RDS::EventSubscription': [
    ['Enabled', never(false), 'would tell nobody'],
    ['EventCategories', keepsAll, 'would tell of less'],
  ],
  'AWS::S3::Bucket': [
    ...['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].map(
      (name): Guard => [
        `PublicAccessBlockConfiguration.${name}`,
        stays(true),
        'holds data, and could be opened to everyone',
      ],
    ),
    [
      'OwnershipControls.Rules.0.ObjectOwnership',
      stays('BucketOwnerEnforced'),
      'holds data, and could be opened object by object',
    ],
    [
      'VersioningConfiguration.Status',
      stays('Enabled'),
      'holds data, and would forget what is overwritten or deleted',
    ],
    [
      `${ENCRYPTION}.SSEAlgorithm`,
      noEarlierIn(['none', 'AES256', 'aws:kms', 'aws:kms:dsse'], 'none'),
      'holds data, and would no longer encrypt it as well',
    ],
    [`${ENCRYPTION}.KMSMasterKeyID`, isUnchanged, 'holds data, and would be encrypted in another way'],
    ['ReplicationConfiguration', isNotNew, 'holds data, and would be copied elsewhere'],
    ['LoggingConfiguration', isSaid, 'would no longer note who reads it'],
    ...BUCKET_ENDS,
    ['LifecycleConfiguration.Rules', noNewDate, 'holds data, and would remove it sooner (ExpirationDate)'],
  ],
  'AWS::SNS::Topic': [['KmsMasterKeyId', isUnchanged, 'is encrypted in another way']],
  'AWS::SecretsManager::Secret': [
    ['GenerateSecretString', isUnchanged, 'holds data, and would be made up anew'],
    ['KmsKeyId', isUnchanged, 'holds data, and would be encrypted in another way'],
  ],
}

/** @returns what is taken away, in words, by the ids of what takes it away */
export function guardsLost(before: Template, after: Template): [id: string, reason: string][] {
  return inBoth(before, after).flatMap(([id, was, is]) => {
    const lost = lostOf(GUARDS[was.Type] ?? [], was.Properties, is.Properties)
    const group = (resource: typeof was) => canonical(property(resource, 'DBParameterGroupName') ?? '')
    // A group that changes is looked at itself.
    if (was.Type === 'AWS::RDS::DBInstance' && group(was) !== group(is))
      lost.push(...lostOf(PARAMETERS, parametersOf(before, was), parametersOf(after, is)))
    return lost.map((reason): [string, string] => [id, reason])
  })
}
