// Rules for what must not get lost or out: database and buckets.
import { POSTGRES_MAJOR } from '../../contract/postgres.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { isLocked } from '../stages.ts'
import { change, type Draft, each, type Rule } from './rule.ts'

const INSTANCE = 'AWS::RDS::DBInstance'
const BUCKET = 'AWS::S3::Bucket'

/** What has something in it that AWS would not give back: whoever reads the template sees what becomes of it. */
const SAYS_WHAT_BECOMES = [
  INSTANCE,
  BUCKET,
  'AWS::KMS::Key',
  'AWS::Logs::LogGroup',
  'AWS::OpenSearchService::Domain',
  'AWS::SecretsManager::Secret',
] as const

/** What a replica takes from its source; AWS refuses it, or does something else than it says. */
const FROM_SOURCE = [
  'AllocatedStorage',
  'BackupRetentionPeriod',
  'DBName',
  'Engine',
  'EngineLifecycleSupport',
  'EngineVersion',
  'MasterUsername',
  'MasterUserPassword',
  'PreferredBackupWindow',
  'StorageEncrypted',
] as const

export const DATA_RULES: readonly Rule[] = [
  {
    holds: 'no database can be reached from the internet',
    violations: (template) =>
      each(template, INSTANCE, (db) => property(db, 'PubliclyAccessible') !== false && 'is not kept private'),
    breaks: {
      public: (draft) => change(draft, 'Database', 'PubliclyAccessible', true),
      unsaid: (draft) => change(draft, 'DatabaseReplica', 'PubliclyAccessible', undefined),
    },
  },
  {
    holds: 'what holds data says what becomes of it when it is removed, and when it is replaced',
    violations: (template) => [
      ...each(
        template,
        INSTANCE,
        (db) =>
          property(db, 'SourceDBInstanceIdentifier') === undefined &&
          (db.DeletionPolicy !== 'Snapshot' || db.UpdateReplacePolicy !== 'Snapshot') &&
          'goes without a snapshot',
      ),
      ...each(
        template,
        BUCKET,
        (bucket) =>
          (bucket.DeletionPolicy !== 'Retain' || bucket.UpdateReplacePolicy !== 'Retain') && 'does not stay',
      ),
      ...SAYS_WHAT_BECOMES.flatMap((type) =>
        each(
          template,
          type,
          (one) =>
            (one.DeletionPolicy === undefined || one.UpdateReplacePolicy === undefined) && 'does not say it',
        ),
      ),
      ...each(
        template,
        'AWS::SecretsManager::Secret',
        (one, id) =>
          id === 'AuthSecret' &&
          (one.DeletionPolicy !== 'Retain' || one.UpdateReplacePolicy !== 'Retain') &&
          'does not stay',
      ),
    ],
    breaks: {
      'database, when removed': (draft) => {
        delete draft.Resources.Database?.DeletionPolicy
      },
      'database, when replaced': (draft) => {
        delete draft.Resources.Database?.UpdateReplacePolicy
      },
      bucket: (draft) => {
        delete draft.Resources.Documents?.UpdateReplacePolicy
      },
      secret: (draft) => {
        delete draft.Resources.AuthSecret?.DeletionPolicy
      },
      'secret, when replaced': (draft) => {
        if (draft.Resources.AuthSecret) draft.Resources.AuthSecret.UpdateReplacePolicy = 'Delete'
      },
      ...Object.fromEntries(
        ['DatabaseOwner', 'SetupToken', 'AlertsKey', 'ApiLogs', 'DatabaseReplica'].flatMap((id) =>
          (['DeletionPolicy', 'UpdateReplacePolicy'] as const).map((policy) => [
            `${id} without ${policy}`,
            (draft: Draft) => {
              delete draft.Resources[id]?.[policy]
            },
          ]),
        ),
      ),
    },
  },
  {
    holds: 'the primary is encrypted, backed up, keeps its backups, and in a locked stage can’t be deleted',
    violations: (template, stage) =>
      each(template, INSTANCE, (db) => {
        if (property(db, 'SourceDBInstanceIdentifier') !== undefined) return
        if (property(db, 'StorageEncrypted') !== true) return 'is not encrypted'
        if (!(Number(property(db, 'BackupRetentionPeriod')) > 0)) return 'has no backups'
        if (property(db, 'DeleteAutomatedBackups') !== false) return 'takes its backups along'
        return property(db, 'DeletionProtection') !== isLocked(stage) && 'is not protected as the stage is'
      }),
    breaks: {
      encryption: (draft) => change(draft, 'Database', 'StorageEncrypted', undefined),
      backups: (draft) => change(draft, 'Database', 'BackupRetentionPeriod', 0),
      'backups afterwards': (draft) => change(draft, 'Database', 'DeleteAutomatedBackups', undefined),
      protection: (draft) => change(draft, 'Database', 'DeletionProtection', false),
    },
  },
  {
    holds: 'the engine is one major version, and the parameters are of that version’s family',
    violations: (template) => [
      ...each(
        template,
        INSTANCE,
        (db) =>
          property(db, 'SourceDBInstanceIdentifier') === undefined &&
          property(db, 'EngineVersion') !== String(POSTGRES_MAJOR) &&
          `is PostgreSQL ${String(property(db, 'EngineVersion'))}`,
      ),
      ...each(
        template,
        'AWS::RDS::DBParameterGroup',
        (group) =>
          property(group, 'Family') !== `postgres${POSTGRES_MAJOR}` &&
          `is for ${String(property(group, 'Family'))}`,
      ),
      ...each(
        template,
        INSTANCE,
        (db) =>
          template.Resources[refersTo(property(db, 'DBParameterGroupName')) ?? '']?.Type !==
            'AWS::RDS::DBParameterGroup' && 'has not our parameters',
      ),
    ],
    breaks: {
      'a version that AWS no longer has': (draft) => change(draft, 'Database', 'EngineVersion', '10.1'),
      'an unknown family': (draft) => change(draft, 'DatabaseParameters', 'Family', 'postgresql18'),
      'another version’s family': (draft) => change(draft, 'DatabaseParameters', 'Family', 'postgres17'),
      'a replica with AWS’s own parameters': (draft) =>
        change(draft, 'DatabaseReplica', 'DBParameterGroupName', undefined),
    },
  },
  {
    holds: 'connections are encrypted, and servers can sign in by IAM',
    violations: (template) => [
      ...each(template, 'AWS::RDS::DBParameterGroup', (group) => !forcesSsl(group) && 'lets plain text in'),
      ...each(
        template,
        INSTANCE,
        (db) => property(db, 'EnableIAMDatabaseAuthentication') !== true && 'knows no IAM',
      ),
    ],
    breaks: {
      'plain text': (draft) => {
        const parameters = draft.Resources.DatabaseParameters?.Properties.Parameters as Record<string, string>
        parameters['rds.force_ssl'] = '0'
      },
      IAM: (draft) => change(draft, 'DatabaseReplica', 'EnableIAMDatabaseAuthentication', undefined),
    },
  },
  {
    holds:
      'a replica has a source that can have one, a standby beside that, and nothing that is the source’s',
    violations: (template) =>
      each(template, INSTANCE, (replica) => {
        const source = property(replica, 'SourceDBInstanceIdentifier')
        if (source === undefined) return
        const primary = template.Resources[refersTo(source) ?? '']
        const own = FROM_SOURCE.filter((name) => property(replica, name) !== undefined)
        if (primary?.Type !== INSTANCE) return 'has no source'
        if (property(primary, 'ManageMasterUserPassword') !== undefined)
          return 'its source’s password is RDS’s'
        if (property(primary, 'MultiAZ') !== true) return 'its source has no standby'
        if (property(primary, 'AvailabilityZone') !== undefined) return 'its source is pinned to a zone'
        if (own.length > 0) return `says ${own.join(', ')}, which is the source’s`
        return list(property(replica, 'VPCSecurityGroups')).length === 0 && 'falls back to the default group'
      }),
    breaks: {
      'a password that RDS keeps': (draft) => {
        change(draft, 'Database', 'MasterUserPassword', undefined)
        change(draft, 'Database', 'ManageMasterUserPassword', true)
      },
      'a database’s name': (draft) => change(draft, 'DatabaseReplica', 'DBName', 'terrace'),
      'encryption of its own': (draft) => change(draft, 'DatabaseReplica', 'StorageEncrypted', true),
      'no standby': (draft) => change(draft, 'Database', 'MultiAZ', false),
      'a pinned primary': (draft) => change(draft, 'Database', 'AvailabilityZone', 'eu-west-1a'),
      'no group': (draft) => change(draft, 'DatabaseReplica', 'VPCSecurityGroups', undefined),
    },
  },
  {
    holds: 'a full disk makes itself room, on primary and replica alike',
    violations: (template) =>
      each(template, INSTANCE, (db) => property(db, 'MaxAllocatedStorage') === undefined && 'does not grow'),
    breaks: { replica: (draft) => change(draft, 'DatabaseReplica', 'MaxAllocatedStorage', undefined) },
  },
  {
    holds: 'no password stands in the template',
    violations: (template) =>
      each(template, INSTANCE, (db) => {
        const password = JSON.stringify(property(db, 'MasterUserPassword') ?? '{{resolve:secretsmanager:')
        return !password.includes('{{resolve:secretsmanager:') && 'has one in clear'
      }),
    breaks: { clear: (draft) => change(draft, 'Database', 'MasterUserPassword', 'hunter2hunter2') },
  },
  {
    holds: 'buckets are private, encrypted, and talk TLS only',
    violations: (template) =>
      each(template, BUCKET, (bucket, id) => {
        const blocked = Object.values(at(bucket.Properties, 'PublicAccessBlockConfiguration') ?? {})
        if (blocked.length !== 4 || blocked.some((value) => value !== true)) return 'can be made public'
        if (property(bucket, 'OwnershipControls.Rules.0.ObjectOwnership') !== 'BucketOwnerEnforced')
          return 'takes access lists'
        if (property(bucket, 'BucketEncryption.ServerSideEncryptionConfiguration.0') === undefined)
          return 'is not encrypted'
        const policies = ofType(template, 'AWS::S3::BucketPolicy').filter(
          ([, policy]) => refersTo(policy.Properties.Bucket) === id,
        )
        const refuses = policies
          .flatMap(([, policy]) => list(property(policy, 'PolicyDocument.Statement')))
          .some((s) => refusesPlain(s, id))
        return !refuses && 'takes plain HTTP'
      }),
    breaks: {
      public: (draft) =>
        change(draft, 'Documents', 'PublicAccessBlockConfiguration.BlockPublicPolicy', false),
      lists: (draft) => change(draft, 'Documents', 'OwnershipControls', undefined),
      encryption: (draft) => change(draft, 'Logs', 'BucketEncryption', undefined),
      TLS: (draft) => {
        delete draft.Resources.DocumentsPolicy
      },
      'TLS for some': (draft) =>
        change(draft, 'DocumentsPolicy', 'PolicyDocument.Statement.0.Principal', { AWS: '111122223333' }),
      'TLS to read': (draft) =>
        change(draft, 'DocumentsPolicy', 'PolicyDocument.Statement.0.Action', 's3:GetObject'),
      'TLS for the bucket, not what is in it': (draft) =>
        change(draft, 'LogsPolicy', 'PolicyDocument.Statement.0.Resource', {
          'Fn::GetAtt': ['Logs', 'Arn'],
        }),
    },
  },
  {
    holds: 'documents can be brought back to any moment that the database can',
    violations: (template, stage) => {
      const documents = template.Resources.Documents
      const rules = list(property(documents, 'LifecycleConfiguration.Rules'))
      const days = rules
        .map((rule) => at(rule, 'NoncurrentVersionExpiration.NoncurrentDays'))
        .filter((value) => value !== undefined)
        .map(Number)
      if (property(documents, 'VersioningConfiguration.Status') !== 'Enabled')
        return ['Documents: has no versions']
      if (rules.some((rule) => at(rule, 'ExpirationInDays') !== undefined))
        return ['Documents: forgets documents']
      return days.every((value) => value >= stage.database.backupDays + 7)
        ? []
        : [`Documents: forgets versions after ${days.join(', ')} days`]
    },
    breaks: {
      versions: (draft) => change(draft, 'Documents', 'VersioningConfiguration', undefined),
      'too early': (draft) =>
        change(
          draft,
          'Documents',
          'LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays',
          20,
        ),
      documents: (draft) =>
        change(draft, 'Documents', 'LifecycleConfiguration.Rules.0.ExpirationInDays', 365),
    },
  },
]

const forcesSsl = (group: { readonly Properties: Readonly<Record<string, unknown>> }): boolean =>
  Object.entries(group.Properties.Parameters ?? {}).some(
    ([name, value]) => name === 'rds.force_ssl' && value === '1',
  )
/** Whether a statement keeps everybody from everything of a bucket, unless by TLS. */
const refusesPlain = (statement: unknown, bucket: string): boolean => {
  const [whole, within] = list(at(statement, 'Resource'))
  return (
    at(statement, 'Effect') === 'Deny' &&
    at(statement, 'Principal') === '*' &&
    at(statement, 'Action') === 's3:*' &&
    refersTo(whole) === bucket &&
    refersTo(at(within, 'Fn::Join.1.0')) === bucket &&
    at(within, 'Fn::Join.1.1') === '/*' &&
    Object.entries(at(statement, 'Condition.Bool') ?? {}).some(
      ([name, value]) => name === 'aws:SecureTransport' && value === 'false',
    )
  )
}
