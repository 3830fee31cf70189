// Settings that keep the database, buckets and secrets safe: to take one away is blocked, to give it is not.
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { property } from '../reading.ts'
import { change } from '../rules/rule.ts'
import { type Case, changed, type Edit, expectOpens, PROD, reasons, set } from './pairs.ts'

const parameter = (name: string, value: unknown) =>
  set('DatabaseParameters', 'Parameters', {
    ...Object(property(PROD.Resources.DatabaseParameters, 'Parameters')),
    [name]: value,
  })

const PUBLIC = 'PublicAccessBlockConfiguration'
const RULES = 'LifecycleConfiguration.Rules'
const CIPHER =
  'BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm'

/** What is expected is the whole of what the plan says. */
const CASES: readonly Case[] = [
  [
    'force_ssl',
    parameter('rds.force_ssl', '0'),
    'DatabaseParameters no longer refuses connections without encryption: rds.force_ssl',
  ],
  [
    'force_ssl as a number',
    parameter('rds.force_ssl', 0),
    'DatabaseParameters no longer refuses connections without encryption: rds.force_ssl',
  ],
  [
    'force_ssl unsaid',
    parameter('rds.force_ssl', undefined),
    'DatabaseParameters no longer refuses connections without encryption: rds.force_ssl',
  ],
  [
    'old TLS',
    parameter('ssl_min_protocol_version', 'TLSv1.1'),
    'DatabaseParameters takes older encryption on the way: ssl_min_protocol_version',
  ],
  [
    'md5',
    parameter('password_encryption', 'md5'),
    'DatabaseParameters keeps passwords less safe: password_encryption',
  ],
  [
    'parameters of statements',
    parameter('log_parameter_max_length', '-1'),
    'DatabaseParameters would log what stands in documents: log_parameter_max_length',
  ],
  [
    'parameters of failed statements',
    parameter('log_parameter_max_length_on_error', '500'),
    'DatabaseParameters would log what stands in documents: log_parameter_max_length_on_error',
  ],
  [
    'another parameter group',
    set('DatabaseReplica', 'DBParameterGroupName', 'default.postgres18'),
    'DatabaseReplica no longer refuses connections without encryption: rds.force_ssl; would log what stands in documents: log_parameter_max_length',
  ],
  [
    'public',
    set('Database', 'PubliclyAccessible', true),
    'Database holds data, and would be reachable from outside: PubliclyAccessible',
  ],
  [
    'public replica',
    set('DatabaseReplica', 'PubliclyAccessible', true),
    'DatabaseReplica holds data, and would be reachable from outside: PubliclyAccessible',
  ],
  [
    'a group from elsewhere',
    set('Database', 'VPCSecurityGroups.1', 'sg-0123456789abcdef0'),
    'Database holds data, and lets in whom a group lets in that is not of this template: VPCSecurityGroups',
  ],
  [
    'no group, which is that of the VPC',
    set('DatabaseReplica', 'VPCSecurityGroups', undefined),
    'DatabaseReplica holds data, and lets in whom a group lets in that is not of this template: VPCSecurityGroups',
    'DatabaseReplica lets ApiTemplate in to DatabaseReplica, which holds data',
  ],
  [
    'sign-in',
    set('Database', 'EnableIAMDatabaseAuthentication', false),
    'Database no longer lets servers sign in by their roles: EnableIAMDatabaseAuthentication',
  ],
  [
    'sign-in unsaid',
    set('DatabaseReplica', 'EnableIAMDatabaseAuthentication', undefined),
    'DatabaseReplica no longer lets servers sign in by their roles: EnableIAMDatabaseAuthentication',
  ],
  [
    'backups that go along',
    set('Database', 'DeleteAutomatedBackups', true),
    'Database holds data, and would take its backups along when it goes: DeleteAutomatedBackups',
  ],
  [
    'logs of the database',
    set('Database', 'EnableCloudwatchLogsExports', ['upgrade']),
    'Database would no longer keep all of its logs: EnableCloudwatchLogsExports',
  ],
  [
    'public policies',
    set('Documents', `${PUBLIC}.BlockPublicPolicy`, false),
    `Documents holds data, and could be opened to everyone: ${PUBLIC}.BlockPublicPolicy`,
  ],
  [
    'no block at all',
    set('Documents', PUBLIC, undefined),
    `Documents ${['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].map((name) => `holds data, and could be opened to everyone: ${PUBLIC}.${name}`).join('; ')}`,
  ],
  [
    'owners of objects',
    set('Documents', 'OwnershipControls', undefined),
    'Documents holds data, and could be opened object by object: OwnershipControls.Rules.0.ObjectOwnership',
  ],
  [
    'versions',
    set('Documents', 'VersioningConfiguration.Status', 'Suspended'),
    'Documents holds data, and would forget what is overwritten or deleted: VersioningConfiguration.Status',
  ],
  [
    'copies to a bucket of others',
    set('Documents', 'ReplicationConfiguration', {
      Role: 'arn:aws:iam::999999999999:role/x',
      Rules: [{ Status: 'Enabled', Destination: { Bucket: 'arn:aws:s3:::elsewhere' } }],
    }),
    'Documents holds data, and would be copied elsewhere: ReplicationConfiguration',
  ],
  [
    'versions unsaid',
    set('Documents', 'VersioningConfiguration', undefined),
    'Documents holds data, and would forget what is overwritten or deleted: VersioningConfiguration.Status',
  ],
  [
    'encryption',
    set('Documents', 'BucketEncryption', undefined),
    `Documents holds data, and would no longer encrypt it as well: ${CIPHER}`,
  ],
  [
    'who reads',
    set('Documents', 'LoggingConfiguration', undefined),
    'Documents would no longer note who reads it: LoggingConfiguration',
  ],
  [
    'old versions',
    set('Documents', `${RULES}.0.NoncurrentVersionExpiration.NoncurrentDays`, 2),
    `Documents holds data, and would remove it sooner (NoncurrentVersionExpiration.NoncurrentDays): ${RULES}`,
  ],
  [
    'but a few versions',
    set('Documents', `${RULES}.0.NoncurrentVersionExpiration.NewerNoncurrentVersions`, 3),
    `Documents holds data, and would remove it sooner (NoncurrentVersionExpiration.NewerNoncurrentVersions): ${RULES}`,
  ],
  [
    'what is not old',
    set('Documents', `${RULES}.1.ExpirationInDays`, 30),
    `Documents holds data, and would remove it sooner (ExpirationInDays): ${RULES}`,
  ],
  [
    'what is there on a day',
    set('Documents', `${RULES}.1.ExpirationDate`, '2027-01-01T00:00:00Z'),
    `Documents holds data, and would remove it sooner (ExpirationDate): ${RULES}`,
  ],
  [
    'logs of access',
    set('Logs', `${RULES}.0.ExpirationInDays`, 1),
    `Logs holds data, and would remove it sooner (ExpirationInDays): ${RULES}`,
  ],
]

test.for(CASES)('%s', (one) => {
  expectOpens(PROD, one)
})

const KEY = CIPHER.replace('SSEAlgorithm', 'KMSMasterKeyID')
describe('what the stack does not have, once it has it', () => {
  test.for<[string, Edit, string]>([
    ['ciphers', parameter('ssl_ciphers', 'HIGH'), 'takes other encryption on the way: ssl_ciphers'],
    [
      'passwords',
      parameter('rds.accepted_password_auth_method', 'scram'),
      'takes passwords that are kept less safe: rds.accepted_password_auth_method',
    ],
    [
      'who changes passwords',
      parameter('rds.restrict_password_commands', '1'),
      'lets more of its roles change passwords: rds.restrict_password_commands',
    ],
    [
      'a bucket’s key',
      set('Documents', KEY, 'key-1'),
      `holds data, and would be encrypted in another way: ${KEY}`,
    ],
    [
      'a secret’s key',
      set('AuthSecret', 'KmsKeyId', 'key-1'),
      'holds data, and would be encrypted in another way: KmsKeyId',
    ],
    ['a log’s key', set('ApiLogs', 'KmsKeyId', 'key-1'), 'is encrypted in another way: KmsKeyId'],
    [
      'time to think',
      set('AlertsKey', 'PendingWindowInDays', 30),
      'holds data, and would go sooner once it is deleted: PendingWindowInDays',
    ],
  ])('%s', ([, edit, reason]) => {
    const having = changed(PROD, edit)
    expect(reasons(PROD, having)).toEqual([])
    expect(reasons(having, PROD)).toEqual([expect.stringContaining(` ${reason}`)])
  })
})

test('encryption of the database makes it anew, which is said', () => {
  expect(reasons(PROD, changed(PROD, set('Database', 'StorageEncrypted', false)))).toEqual([
    'Database holds data, and is made anew, empty: StorageEncrypted',
  ])
})

test('backups that are kept for less long', () => {
  // Of their own days, AWS says that they may make the database anew.
  const [reason] = reasons(PROD, changed(PROD, set('Database', 'BackupRetentionPeriod', 7)))
  expect(reason).toContain('holds data, and would keep its backups for less long: BackupRetentionPeriod')
  const [more] = reasons(PROD, changed(PROD, set('Database', 'BackupRetentionPeriod', 30)))
  expect(more).not.toContain('less long')
})

test('a secret is made up anew by whatever its making says otherwise', () => {
  const after = changed(PROD, set('AuthSecret', 'GenerateSecretString.PasswordLength', 12))
  const reason = 'AuthSecret holds data, and would be made up anew: GenerateSecretString'
  expect([reasons(PROD, after), reasons(after, PROD)]).toEqual([[reason], [reason]])
})

test('a part of a bucket that goes sooner than it did, while the rest stays', () => {
  const keeping = (days: number): Template =>
    changed(
      PROD,
      set('Documents', RULES, [
        { Status: 'Enabled', ExpirationInDays: 5, Prefix: 'tmp/' },
        { Status: 'Enabled', ExpirationInDays: days, Prefix: 'kept/' },
      ]),
    )
  expect(reasons(keeping(90), keeping(30))).toHaveLength(1)
  expect(reasons(keeping(30), keeping(90))).toEqual([])
})

describe('as safe as before', () => {
  test.for<[string, Edit]>([
    ['another parameter', parameter('work_mem', '65536')],
    ['encryption on the way from TLS 1.3', parameter('ssl_min_protocol_version', 'TLSv1.3')],
    ['a rule that is off', set('Documents', `${RULES}.2`, { Status: 'Disabled', ExpirationInDays: 1 })],
    [
      'another number of days for uploads',
      set('Documents', `${RULES}.1.AbortIncompleteMultipartUpload.DaysAfterInitiation`, 3),
    ],
    ['a bucket under a key', set('Documents', CIPHER, 'aws:kms')],
    [
      'a parameter group of its own that says the same',
      (draft) => {
        const group = draft.Resources.DatabaseParameters
        if (group) draft.Resources.Own = structuredClone(group)
        change(draft, 'DatabaseReplica', 'DBParameterGroupName', { Ref: 'Own' })
      },
    ],
  ])('%s', ([, edit]) => {
    expect(reasons(PROD, changed(PROD, edit))).toEqual([])
  })
})
