// What linters want and this stack does not do, each with the reason. One that waives nothing any more is an error.
import type { Waiver } from './findings.ts'

const GROUPS = ['ApiGroup', 'WebGroup']
const LAUNCH_TEMPLATES = ['ApiTemplate', 'WebTemplate']
const LOG_GROUPS = ['ApiLogs', 'SearchLogs', 'WebLogs']
const BALANCERS = ['ExternalBalancer', 'InternalBalancer']
const BUCKETS = ['Documents', 'Logs', 'State']

const DEV = ['dev', 'dev without servers']
/** Protections come with the servers (stages.ts, isLocked); `dev` has none. */
const UNLOCKED = [...DEV, 'staging without servers', 'prod without servers']

/** All of AWS Control Tower: neither cfn-lint nor AWS's validator has anything to say. */
export const WAIVERS: readonly Waiver[] = (
  [
    {
      rule: 'alb_http_to_https_redirection_check',
      on: ['InternalListener'],
      because: 'it listens inside the VPC only, to the web servers; no certificate names an internal address',
    },
    {
      rule: 'alb_http_to_https_redirection_check',
      on: ['HttpListener'],
      in: DEV,
      because: 'the entrance of dev is plain HTTP, which the stage table refuses to protected stages',
    },
    {
      rule: 'autoscaling_group_elb_healthcheck_required_check',
      on: GROUPS,
      because: 'a database that is away for a minute would have every server replaced: docs/aws.md',
    },
    {
      rule: 'autoscaling_mixed_instances_policy_multiple_instance_types_check',
      on: GROUPS,
      because: 'vectors differ between families of CPUs: one fleet has one',
    },
    {
      rule: 'autoscaling_multiple_az_check',
      on: GROUPS,
      because:
        'they have a subnet in each of two zones, which the rule does not look at; reachability.test.ts does',
    },
    {
      rule: 'cloudwatch_log_group_encrypted_check',
      on: LOG_GROUPS,
      because: 'they are encrypted by CloudWatch’s own key, and hold nothing of documents or questions',
    },
    {
      rule: 'cloudwatch_log_group_retention_period_check',
      on: LOG_GROUPS,
      because: 'they name people by id: they are kept as long as somebody might look for a fault, no year',
    },
    {
      rule: 'ec2_launch_template_monitoring_enabled_check',
      on: LAUNCH_TEMPLATES,
      because:
        'scaling looks at the load balancers’ metrics, which are by the minute anyhow; detailed ones cost extra',
    },
    {
      rule: 'cloudwatch_alarm_action_check',
      on: ['Requests', 'Answers', 'FirstTokens'].flatMap((what) =>
        ['FastLong', 'FastShort', 'SteadyLong', 'SteadyShort'].map((window) => `${what}${window}`),
      ),
      in: ['staging', 'prod', 'prod with everything'],
      because: 'a window of a burn rate tells nobody: the alarm over its windows does (docs/decisions/0015)',
    },
    {
      rule: 'ec2_launch_template_public_ip_disabled_check',
      on: ['WebTemplate'],
      because:
        'web servers go out by an address of their own instead of through NAT; only their load balancer gets in. webPlacement: private is the other way',
    },
    {
      rule: 'elbv2_deletion_protection_enabled_check',
      on: BALANCERS,
      in: UNLOCKED,
      because: 'what serves nobody yet, and dev, can be taken down in one go',
    },
    {
      rule: 'kms_create_grant_aws_service_check',
      // Of the bootstrap's key it speaks twice, once without a name.
      on: ['AlertsKey', 'ImageKey', ''],
      because:
        'grants are made by Auto Scaling, for AWS’s resources only, and by the account’s administrators; the other services may decrypt and make data keys',
    },
    {
      rule: 'opensearch_audit_logging_enabled_check',
      on: ['Search'],
      because:
        'audit logs come with fine-grained access only; who asked is the API servers’ role, and no one else may',
    },
    {
      rule: 'opensearch_data_node_fault_tolerance_check',
      on: ['Search'],
      because:
        'as many nodes in each of two zones: two are the least, and three dedicated managers keep count',
    },
    {
      rule: 'opensearch_fine_grained_access_control_enabled_check',
      on: ['Search'],
      because:
        'it tells users apart; there is one, by its role, and which documents people see is the API’s to say',
    },
    {
      rule: 'opensearch_https_required_check',
      on: ['Search'],
      because: 'it knows one policy for TLS 1.2; ours wants forward secrecy besides',
    },
    {
      rule: 'rds_instance_backup_enabled_check',
      on: ['Database'],
      in: DEV,
      because: 'a day of backups is enough for documents to try things with',
    },
    {
      rule: 'rds_instance_deletion_protection_enabled_check',
      on: ['Database'],
      in: UNLOCKED,
      because: 'what serves nobody yet, and dev, can be taken down in one go; a snapshot is left',
    },
    {
      rule: 'rds_instance_enhanced_monitoring_enabled_check',
      on: ['Database'],
      because: 'Performance Insights and the instance’s own metrics are what alarms and runbooks look at',
    },
    {
      rule: 'rds_instance_multi_az_support_check',
      on: ['Database'],
      in: DEV,
      because: 'dev may be away for as long as a restore takes',
    },
    {
      rule: 'rds_instance_no_default_ports_check',
      on: ['Database'],
      because: 'another port hides nothing: who can connect is said by security groups',
    },
    {
      rule: 'rds_storage_encrypted_kms_key_check',
      on: ['Database'],
      because: 'RDS’s own key encrypts it; one of ours, lost or revoked, would lose the data',
    },
    {
      rule: 's3_bucket_default_encryption_kms_check',
      on: BUCKETS,
      because:
        'load balancers can write to no other kind of bucket, and for documents it is as for the database',
    },
    {
      rule: 's3_bucket_logging_enabled_check',
      on: ['Logs', 'State'],
      because:
        'logs of the logs’ own bucket would be written for ever, and the state’s is there before any for logs',
    },
    {
      rule: 's3_bucket_object_lock_enabled_check',
      on: BUCKETS,
      because: 'what a person deletes has to go for good after the days that versions are kept',
    },
    {
      rule: 's3_bucket_versioning_enabled_check',
      on: ['Logs'],
      because: 'log files are written once and expire',
    },
    {
      rule: 's3_event_notifications_enabled_check',
      on: BUCKETS,
      because: 'nothing waits for such events: who writes an object says so in the database',
    },
  ] satisfies readonly Omit<Waiver, 'tool'>[]
).map((waiver) => ({ tool: 'guard', ...waiver }))
