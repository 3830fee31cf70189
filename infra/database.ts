// PostgreSQL: a primary, its standby in the other zone, and a read replica. The primary is never given a zone: AWS
// refuses that beside a standby, which may take over at any time. The replica has one of its own choosing (stage
// table); after a failover primary and replica may stand in the same zone, until someone moves one of them.
import { POSTGRES_MAJOR } from '../contract/postgres.ts'
import { GOES_WITH_STACK, type Resource, type Stack, secretField, sub } from './cfn.ts'
import { DATABASE_PORT, type Network } from './network.ts'
import type { Stage } from './stage-schema.ts'
import { isLocked } from './stages.ts'

type Instance = Resource<'AWS::RDS::DBInstance'>
export interface Database {
  readonly primary: Instance
  readonly replica: Instance | undefined
  /** User name and password of the database's owner, for migrations; servers sign in by IAM. */
  readonly ownerSecret: Resource<'AWS::SecretsManager::Secret'>
}

export const DATABASE_NAME = 'terrace'
/** The role that servers sign in as: it may read and write, and change no table. */
export const APPLICATION_ROLE = 'terrace_app'

export function database(
  stack: Stack,
  stage: Stage,
  network: Network,
  alerts: Resource<'AWS::SNS::Topic'>,
): Database {
  const settings = stage.database
  const subnets = stack.add('DatabaseSubnets', 'AWS::RDS::DBSubnetGroup', {
    DBSubnetGroupDescription: 'One subnet in each zone, without a way out',
    SubnetIds: network.subnets.database.map((subnet) => subnet.ref),
  })
  const parameters = parameterGroup(stack)
  // RDS can keep this password itself, but then makes no replica.
  const ownerSecret = stack.add(
    'DatabaseOwner',
    'AWS::SecretsManager::Secret',
    {
      Description: sub('Owner of the database of ${AWS::StackName}'),
      GenerateSecretString: {
        SecretStringTemplate: JSON.stringify({ username: 'terrace' }),
        GenerateStringKey: 'password',
        PasswordLength: 40,
        ExcludePunctuation: true,
      },
    },
    // Whoever restores the database from a snapshot gives it a new one.
    GOES_WITH_STACK,
  )
  const shared = {
    DBInstanceClass: settings.instanceClass,
    DBParameterGroupName: parameters.ref,
    VPCSecurityGroups: [network.groups.database.att('GroupId')],
    StorageType: 'gp3',
    MaxAllocatedStorage: settings.maxStorageGiB,
    PubliclyAccessible: false,
    EnableIAMDatabaseAuthentication: true,
    EnablePerformanceInsights: true,
    PerformanceInsightsRetentionPeriod: 7,
    EnableCloudwatchLogsExports: ['postgresql', 'upgrade'],
    AutoMinorVersionUpgrade: true,
    CACertificateIdentifier: 'rds-ca-rsa2048-g1',
    CopyTagsToSnapshot: true,
    PreferredMaintenanceWindow: 'sun:03:30-sun:04:30',
  } as const
  const primary = stack.add(
    'Database',
    'AWS::RDS::DBInstance',
    {
      ...shared,
      Engine: 'postgres',
      // Without the minor version: AWS takes its current one, and keeps it current.
      EngineVersion: String(POSTGRES_MAJOR),
      // Else AWS bills for years of support after a version's end without being asked.
      EngineLifecycleSupport: 'open-source-rds-extended-support-disabled',
      DBName: DATABASE_NAME,
      Port: String(DATABASE_PORT),
      DBSubnetGroupName: subnets.ref,
      MasterUsername: secretField(ownerSecret, 'username'),
      MasterUserPassword: secretField(ownerSecret, 'password'),
      AllocatedStorage: String(settings.storageGiB),
      StorageEncrypted: true,
      MultiAZ: settings.multiAz,
      BackupRetentionPeriod: settings.backupDays,
      PreferredBackupWindow: '01:30-02:30',
      DeleteAutomatedBackups: false,
      DeletionProtection: isLocked(stage),
    },
    { DeletionPolicy: 'Snapshot', UpdateReplacePolicy: 'Snapshot' },
  )
  stack.add('DatabaseOwnerPlace', 'AWS::SecretsManager::SecretTargetAttachment', {
    SecretId: ownerSecret.ref,
    TargetId: primary.ref,
    TargetType: 'AWS::RDS::DBInstance',
  })
  const replica = settings.replica
    ? stack.add(
        'DatabaseReplica',
        'AWS::RDS::DBInstance',
        {
          ...shared,
          // Taking this line away promotes the replica. Engine, storage and encryption are the primary's.
          SourceDBInstanceIdentifier: primary.ref,
          AvailabilityZone: network.subnets.database[settings.replicaZone].att('AvailabilityZone'),
          MultiAZ: false,
        },
        // CloudFormation takes no snapshot of a replica, whatever is said here.
        GOES_WITH_STACK,
      )
    : undefined
  stack.add('DatabaseEvents', 'AWS::RDS::EventSubscription', {
    SnsTopicArn: alerts.ref,
    SourceType: 'db-instance',
    SourceIds: [primary.ref, ...(replica ? [replica.ref] : [])],
    Enabled: true,
    EventCategories: [
      'availability',
      'configuration change',
      'deletion',
      'failover',
      'failure',
      'low storage',
      'maintenance',
      'notification',
      'read replica',
      'recovery',
    ],
  })
  return { primary, replica, ownerSecret }
}

/**
 * Where RDS puts what PostgreSQL logs. It makes the group itself, before CloudFormation could, and gives it no end: that
 * is given by hand (docs/runbooks/database-logs.md).
 */
export const databaseLogs = ({ primary }: Database) =>
  sub('/aws/rds/instance/${id}/postgresql', { id: primary.ref })

function parameterGroup(stack: Stack): Resource<'AWS::RDS::DBParameterGroup'> {
  return stack.add('DatabaseParameters', 'AWS::RDS::DBParameterGroup', {
    Description: 'PostgreSQL for Terrace, primary and replica',
    Family: `postgres${POSTGRES_MAJOR}`,
    Parameters: {
      'rds.force_ssl': '1',
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.track': 'top',
      track_io_timing: '1',
      // The replica tells the primary what its readers still need, so that fewer of them are cancelled …
      hot_standby_feedback: '1',
      // … and those that hold the replay up are, after so many ms: lag is worse than a repeated query.
      max_standby_streaming_delay: '30000',
      // The log and chunk tables are written and emptied all day: what is dead goes early.
      autovacuum_vacuum_scale_factor: '0.05',
      autovacuum_analyze_scale_factor: '0.02',
      autovacuum_naptime: '30',
      // ms; a transaction that nobody continues holds locks and keeps the dead.
      idle_in_transaction_session_timeout: '60000',
      // ms; statements, with their parameters cut off: they may hold text of documents.
      log_min_duration_statement: '1000',
      log_parameter_max_length: '0',
      log_lock_waits: '1',
      log_autovacuum_min_duration: '10000',
      log_temp_files: '10240',
    },
  })
}
