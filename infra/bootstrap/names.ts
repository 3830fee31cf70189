// What the bootstrap makes is found by name, by everything that comes after it: without asking AWS, and before there is
// anything to ask. Names of buckets are the world's, those of roles and policies the account's; each has what makes it one.

/** An account, in one of AWS's regions. */
export interface Home {
  /** 12 digits. */
  readonly account: string
  readonly region: string
}

export const BOOTSTRAP_STACK = 'terrace-bootstrap'

/** Templates, journals, locks, records of image sets, and what bakes upload. */
export const stateBucket = ({ account, region }: Home): string => `terrace-state-${account}-${region}`

export const partitionOf = (region: string): string => {
  if (region.startsWith('cn-')) return 'aws-cn'
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}

/** An ARN of this account and region. */
export const arnHere = ({ account, region }: Home, service: string, resource: string): string =>
  `arn:${partitionOf(region)}:${service}:${region}:${account}:${resource}`

/** ARN of the state bucket, or of keys in it. @param keys `*` stands for anything */
export const stateArn = (home: Home, keys?: string): string =>
  `arn:${partitionOf(home.region)}:s3:::${stateBucket(home)}${keys === undefined ? '' : `/${keys}`}`

/** IAM knows no regions: two bootstraps of one account keep apart by name. */
const iamArn = ({ account, region }: Home, resource: string): string =>
  `arn:${partitionOf(region)}:iam::${account}:${resource}`

export const ROLES = ['deploy', 'cloudformation', 'ci', 'cloudformation-ci'] as const
export type RoleName = (typeof ROLES)[number]
export const roleName = (role: RoleName, { region }: Home): string => `terrace-${role}-${region}`
/**
 * `deploy`: people · `ci`: a pipeline, which releases and takes nothing down · `cloudformation`: what changes stages for
 * people · `cloudformation-ci`: the same for a pipeline, without what holds data.
 */
export const roleArn = (role: RoleName, home: Home): string => iamArn(home, `role/${roleName(role, home)}`)

/** What CloudFormation works as. */
export type DeployingRole = Extract<RoleName, `cloudformation${string}`>
/**
 * What the names of change sets begin with that are to be carried out with a role's rights, and where their templates are
 * put: a pipeline carries out its own, and can't have put there what a person's plan is read from.
 */
export const changeSetsOf = (role: DeployingRole): string =>
  role === 'cloudformation' ? 'terrace-' : 'terrace-ci-'
export const templatesOf = (role: DeployingRole): string =>
  role === 'cloudformation' ? 'templates' : 'templates-ci'

/** Whether a caller is the pipeline: a session of its role. @param arn as STS says it */
export const isPipeline = (arn: string, home: Home): boolean =>
  arn.startsWith(`arn:${partitionOf(home.region)}:sts::${home.account}:assumed-role/${roleName('ci', home)}/`)

/** More than this no server of any stage can do, whatever a template gives it. */
export const boundaryName = ({ region }: Home): string => `terrace-boundary-${region}`
export const boundaryArn = (home: Home): string => iamArn(home, `policy/${boundaryName(home)}`)

/** Whose images builders are started from: Debian's own account (wiki.debian.org/Cloud/AmazonEC2Image). */
export const DEBIAN_OWNER = '136693071363'

export const GITHUB = 'token.actions.githubusercontent.com'
/** An account has one provider for a host. */
export const githubProviderArn = (home: Home): string => iamArn(home, `oidc-provider/${GITHUB}`)

/** Roles that AWS's services act as; an account has one of each, made by hand or by whoever came first. */
export const LINKED_ROLES = [
  { service: 'autoscaling.amazonaws.com', name: 'AWSServiceRoleForAutoScaling' },
  { service: 'elasticloadbalancing.amazonaws.com', name: 'AWSServiceRoleForElasticLoadBalancing' },
  // Of use to stages with a search domain; it costs nothing elsewhere.
  { service: 'opensearchservice.amazonaws.com', name: 'AWSServiceRoleForAmazonOpenSearchService' },
  { service: 'rds.amazonaws.com', name: 'AWSServiceRoleForRDS' },
] as const
export type LinkedRole = (typeof LINKED_ROLES)[number]
export const linkedRoleArn = (home: Home, { service, name }: LinkedRole): string =>
  iamArn(home, `role/aws-service-role/${service}/${name}`)

/** What stages, and everything in them that has names, are called: by `STAGE` and what AWS appends. */
export const stageStack = (stage: string): string => `terrace-${stage}`
