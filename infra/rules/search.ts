// Rules for the search domain of a stage that has one: what it holds is text of documents.
import type { Template } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { SAMPLE_SEARCH } from '../samples.ts'
import { SEARCH_ACTIONS } from '../search.ts'
import type { Stage } from '../stage-schema.ts'
import { change, type Draft, each, type Rule } from './rule.ts'
import { type Dimensions, type Watched, watchedRule } from './watched.ts'

const DOMAIN = 'AWS::OpenSearchService::Domain'
const WITH_DOMAIN: Partial<Stage> = { search: SAMPLE_SEARCH }

/** Text of a substitution, with the names that it was given put in. */
function spelled(value: unknown): string {
  const [text, values] = list(at(value, 'Fn::Sub'))
  if (typeof value === 'string') return value
  return String(text).replace(/\$\{(\w+)\}/g, (whole, name: string) => {
    const given = at(values, name)
    return given === undefined ? whole : spelled(given)
  })
}
/** The one address that everything of a domain is below. */
const below = (template: Template, stage: Stage) =>
  ofType(template, DOMAIN).map(
    ([, domain]) =>
      `arn:\${AWS::Partition}:es:\${AWS::Region}:${stage.account}:domain/${String(property(domain, 'DomainName'))}/*`,
  )
const rightsThere = (template: Template) =>
  ofType(template, 'AWS::IAM::Role').flatMap(([id, role]) =>
    list(property(role, 'Policies'))
      .flatMap((policy) => list(at(policy, 'PolicyDocument.Statement')))
      .filter((statement) => list(at(statement, 'Action')).some((action) => String(action).startsWith('es:')))
      .map((statement) => ({ id, statement })),
  )
const right = (draft: Draft) => {
  const [found] = rightsThere(draft as unknown as Template)
  return found?.statement as { Action: unknown; Resource: unknown }
}
const told = (template: Template): Record<string, unknown> => {
  const [text, values] = list(property(template.Resources.ApiEnvironment, 'Value.Fn::Sub'))
  return Object.fromEntries(
    Object.entries(JSON.parse(String(text))).map(([name, value]) => [
      name,
      at(values, /^\$\{(\w+)\}$/.exec(String(value))?.[1] ?? '') ?? value,
    ]),
  )
}
const tellApi = (draft: Draft, was: string, is: string) => {
  const value = draft.Resources.ApiEnvironment?.Properties.Value as { 'Fn::Sub': [string, object] }
  value['Fn::Sub'][0] = value['Fn::Sub'][0].replace(was, is)
}

const domains = (template: Template, { account }: Stage): Dimensions[] =>
  ofType(template, DOMAIN).map(([Ref]) => ({ DomainName: { Ref }, ClientId: account }))
const watched = (
  id: string,
  [metric, statistic]: readonly [string, string],
  is: Watched['is'],
  threshold: Watched['threshold'],
  says: string,
): Watched => ({ alarms: [id], namespace: 'AWS/ES', metric, statistic, is, of: domains, threshold, says })

export const SEARCH_RULES: readonly Rule[] = [
  {
    holds: 'there is a search domain exactly where the stage says so, as large as it says, over both zones',
    violations: (template, stage) => [
      ...(ofType(template, DOMAIN).length === (stage.search ? 1 : 0) ? [] : ['not as the stage says']),
      ...each(template, DOMAIN, (domain) => {
        const { search } = stage
        const cluster = (name: string) => property(domain, `ClusterConfig.${name}`)
        if (
          cluster('InstanceType') !== search?.instanceType ||
          cluster('InstanceCount') !== search?.instances
        )
          return 'has other nodes'
        if (Number(cluster('InstanceCount')) % 2 !== 0) return 'has more nodes in one zone'
        if (
          cluster('ZoneAwarenessEnabled') !== true ||
          cluster('ZoneAwarenessConfig.AvailabilityZoneCount') !== 2
        )
          return 'keeps both copies in one zone'
        if (cluster('DedicatedMasterEnabled') !== (search?.managers !== undefined))
          return 'has other managers'
        if (search?.managers !== undefined && Number(cluster('DedicatedMasterCount')) % 2 !== 1)
          return 'has managers that can’t agree'
        if (property(domain, 'EBSOptions.VolumeSize') !== search?.volumeGiB) return 'has other disks'
        const zones = list(property(domain, 'VPCOptions.SubnetIds')).map((subnet) =>
          property(template.Resources[refersTo(subnet) ?? ''], 'AvailabilityZoneId'),
        )
        return zones.join() !== stage.zones.join() && 'does not stand in the stage’s zones'
      }),
    ],
    in: WITH_DOMAIN,
    breaks: {
      none: (draft) => void delete draft.Resources.Search,
      'one zone': (draft) => change(draft, 'Search', 'ClusterConfig.ZoneAwarenessEnabled', false),
      'three zones': (draft) =>
        change(draft, 'Search', 'ClusterConfig.ZoneAwarenessConfig.AvailabilityZoneCount', 3),
      'three nodes': (draft) => change(draft, 'Search', 'ClusterConfig.InstanceCount', 3),
      'two managers': (draft) => change(draft, 'Search', 'ClusterConfig.DedicatedMasterCount', 2),
      'no managers': (draft) => change(draft, 'Search', 'ClusterConfig.DedicatedMasterEnabled', false),
      'another disk': (draft) => change(draft, 'Search', 'EBSOptions.VolumeSize', 10),
      'one subnet': (draft) =>
        change(draft, 'Search', 'VPCOptions.SubnetIds', [
          { Ref: 'DatabaseSubnetA' },
          { Ref: 'DatabaseSubnetA' },
        ]),
    },
  },
  {
    holds:
      'the search domain is encrypted where it lies, between its nodes and on the way, and stands in no internet',
    violations: (template) =>
      each(template, DOMAIN, (domain) => {
        if (property(domain, 'EncryptionAtRestOptions.Enabled') !== true) return 'is not encrypted'
        if (property(domain, 'NodeToNodeEncryptionOptions.Enabled') !== true)
          return 'talks in clear between its nodes'
        if (property(domain, 'DomainEndpointOptions.EnforceHTTPS') !== true) return 'takes plain HTTP'
        if (
          !/^Policy-Min-TLS-1-2-PFS/.test(String(property(domain, 'DomainEndpointOptions.TLSSecurityPolicy')))
        )
          return 'takes old TLS'
        if (list(property(domain, 'VPCOptions.SubnetIds')).length === 0) return 'stands in the internet'
        const groups = list(property(domain, 'VPCOptions.SecurityGroupIds')).map(refersTo)
        return groups.join() !== 'SearchSecurityGroup' && 'has another group'
      }),
    in: WITH_DOMAIN,
    breaks: {
      'at rest': (draft) => change(draft, 'Search', 'EncryptionAtRestOptions', undefined),
      'between nodes': (draft) => change(draft, 'Search', 'NodeToNodeEncryptionOptions.Enabled', false),
      HTTP: (draft) => change(draft, 'Search', 'DomainEndpointOptions.EnforceHTTPS', false),
      TLS: (draft) =>
        change(draft, 'Search', 'DomainEndpointOptions.TLSSecurityPolicy', 'Policy-Min-TLS-1-0-2019-07'),
      internet: (draft) => change(draft, 'Search', 'VPCOptions', undefined),
      'the VPC’s group': (draft) => change(draft, 'Search', 'VPCOptions.SecurityGroupIds', undefined),
    },
  },
  {
    holds:
      'API servers, and nobody else, may read and write in the search domain, by both policies, and nothing more',
    violations: (template, stage) => {
      const [there] = below(template, stage)
      const isExact = (statement: unknown) =>
        list(at(statement, 'Action')).join() === SEARCH_ACTIONS.join() &&
        spelled(at(statement, 'Resource')) === there
      const rights = rightsThere(template)
      return [
        ...each(template, DOMAIN, (domain) => {
          const [only, ...more] = list(property(domain, 'AccessPolicies.Statement'))
          if (more.length > 0 || at(only, 'Effect') !== 'Allow') return 'lets in others'
          const who = at(only, 'Principal.AWS')
          if (refersTo(who) !== 'ApiRole' || at(who, 'Fn::GetAtt.1') !== 'Arn') return 'lets in others'
          return !isExact(only) && 'lets them do something else'
        }),
        ...(rights.map(({ id }) => id).join() === (there === undefined ? '' : 'ApiRole')
          ? []
          : ['others have rights, or nobody has']),
        ...rights.flatMap(({ id, statement }) => (isExact(statement) ? [] : [`${id}: may something else`])),
      ]
    },
    in: WITH_DOMAIN,
    breaks: {
      everybody: (draft) => change(draft, 'Search', 'AccessPolicies.Statement.0.Principal', { AWS: '*' }),
      'the account': (draft) =>
        change(draft, 'Search', 'AccessPolicies.Statement.0.Principal', {
          AWS: 'arn:aws:iam::111122223333:root',
        }),
      'web servers': (draft) =>
        change(draft, 'Search', 'AccessPolicies.Statement.0.Principal', {
          AWS: { 'Fn::GetAtt': ['WebRole', 'Arn'] },
        }),
      'another statement': (draft) =>
        change(draft, 'Search', 'AccessPolicies.Statement', [
          ...list(property(draft.Resources.Search, 'AccessPolicies.Statement')),
          { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'es:ESHttpGet', Resource: '*' },
        ]),
      'its settings': (draft) => change(draft, 'Search', 'AccessPolicies.Statement.0.Action', ['es:*']),
      'every domain': (draft) => {
        right(draft).Resource = 'arn:aws:es:eu-west-1:111122223333:domain/*'
      },
      'every call': (draft) => {
        right(draft).Action = ['es:ESHttpGet', 'es:UpdateDomainConfig']
      },
      nobody: (draft) => {
        const statements = list(property(draft.Resources.ApiRole, 'Policies.0.PolicyDocument.Statement'))
        const left = statements.filter((one) => one !== right(draft))
        change(draft, 'ApiRole', 'Policies.0.PolicyDocument.Statement', left)
      },
      'web servers too': (draft) => {
        const policies = draft.Resources.ApiRole?.Properties.Policies
        change(draft, 'WebRole', 'Policies', policies)
      },
    },
  },
  {
    holds:
      'API servers are told of the search domain, to sign in there by their role, and of none where there is none',
    violations: (template, { search }) => {
      const { INDEX_ENGINE, OPENSEARCH_AUTH, OPENSEARCH_URL } = told(template)
      if (search === undefined)
        return [INDEX_ENGINE, OPENSEARCH_AUTH, OPENSEARCH_URL].some((one) => one !== undefined)
          ? ['are told of one']
          : []
      const host = at(OPENSEARCH_URL, 'Fn::Sub.1.host')
      return [
        ...(INDEX_ENGINE === search.engine ? [] : ['begin with another engine']),
        ...(OPENSEARCH_AUTH === 'iam' ? [] : ['sign in some other way']),
        ...(refersTo(host) === 'Search' &&
        at(host, 'Fn::GetAtt.1') === 'DomainEndpoint' &&
        /^https:\/\/\$\{host\}\/\$\{index\}$/.test(String(at(OPENSEARCH_URL, 'Fn::Sub.0')))
          ? []
          : ['go somewhere else']),
      ]
    },
    in: WITH_DOMAIN,
    breaks: {
      password: (draft) => tellApi(draft, '"OPENSEARCH_AUTH":"iam"', '"OPENSEARCH_AUTH":"password"'),
      'another engine': (draft) => tellApi(draft, '"INDEX_ENGINE":"opensearch"', '"INDEX_ENGINE":"embedded"'),
      nothing: (draft) => tellApi(draft, '"OPENSEARCH_URL"', '"OPENSEARCH"'),
      http: (draft) => {
        const text = JSON.stringify(draft.Resources.ApiEnvironment).replace(
          'https://${host}',
          'http://${host}',
        )
        draft.Resources.ApiEnvironment = JSON.parse(text)
      },
    },
  },
  {
    holds:
      'the search domain writes its errors, and no text of documents, into a log of the stage; it is kept current in place',
    violations: (template, { account }) =>
      each(template, DOMAIN, (domain) => {
        const logs = Object.entries(property(domain, 'LogPublishingOptions') ?? {})
        const [kind, option] = logs[0] ?? []
        if (logs.length !== 1 || kind !== 'ES_APPLICATION_LOGS' || at(option, 'Enabled') !== true)
          return 'logs something else'
        const group = refersTo(at(option, 'CloudWatchLogsLogGroupArn')) ?? ''
        const [policy] = ofType(template, 'AWS::Logs::ResourcePolicy')
        const [text = '', values] = list(property(policy?.[1], 'PolicyDocument.Fn::Sub'))
        const [statement] = list(at(JSON.parse(String(text) || '{}'), 'Statement'))
        const named = (value: unknown) => at(values, /^\$\{(\w+)\}$/.exec(String(value))?.[1] ?? '')
        if (
          at(statement, 'Principal.Service') !== 'es.amazonaws.com' ||
          refersTo(named(at(statement, 'Resource'))) !== group ||
          Object.values(at(statement, 'Condition.StringEquals') ?? {}).join() !== account ||
          !domain.DependsOn?.includes(policy?.[0] ?? '')
        )
          return 'may not write into its log, or others may'
        if (property(domain, 'EngineVersion') !== 'OpenSearch_2.19') return 'is not what tests run against'
        if (at(domain.UpdatePolicy, 'EnableVersionUpgrade') !== true)
          return 'would be made anew to be upgraded'
        return (
          !(
            property(domain, 'OffPeakWindowOptions.Enabled') === true &&
            property(domain, 'SoftwareUpdateOptions.AutoSoftwareUpdateEnabled') === true
          ) && 'is not kept current'
        )
      }),
    in: WITH_DOMAIN,
    breaks: {
      'no log': (draft) => change(draft, 'Search', 'LogPublishingOptions', undefined),
      'slow searches': (draft) =>
        change(draft, 'Search', 'LogPublishingOptions.SEARCH_SLOW_LOGS', { Enabled: true }),
      'a policy too late': (draft) => void delete draft.Resources.Search?.DependsOn,
      'anybody’s domain': (draft) => {
        const value = draft.Resources.SearchLogsPolicy?.Properties.PolicyDocument as {
          'Fn::Sub': [string, object]
        }
        value['Fn::Sub'][0] = value['Fn::Sub'][0].replace('"StringEquals"', '"StringLike"')
      },
      'another version': (draft) => change(draft, 'Search', 'EngineVersion', 'OpenSearch_3.1'),
      'made anew': (draft) => void delete draft.Resources.Search?.UpdatePolicy,
      'never updated': (draft) =>
        change(draft, 'Search', 'SoftwareUpdateOptions.AutoSoftwareUpdateEnabled', false),
      'updated at any time': (draft) => change(draft, 'Search', 'OffPeakWindowOptions.Enabled', false),
    },
  },
  watchedRule(
    'whatever a person would act on in the search domain has an alarm, from the number on that its page names',
    [
      watched(
        'SearchRed',
        ['ClusterStatus.red', 'Maximum'],
        'above',
        () => 0,
        'a part of the index has no copy left',
      ),
      watched('SearchYellow', ['ClusterStatus.yellow', 'Maximum'], 'above', () => 0, 'a copy is missing'),
      watched(
        'SearchStorage',
        ['FreeStorageSpace', 'Minimum'],
        'below',
        ({ search }) => (search?.volumeGiB ?? 0) * 256,
        'less than a quarter of its disk free',
      ),
      watched(
        'SearchWritesBlocked',
        ['ClusterIndexWritesBlocked', 'Maximum'],
        'above',
        () => 0,
        'writes are refused',
      ),
      watched('SearchMemory', ['JVMMemoryPressure', 'Maximum'], 'above', () => 92, 'more than 92 %'),
      watched('SearchCpu', ['CPUUtilization', 'Average'], 'above', () => 80, 'above 80 %'),
      watched('SearchErrors', ['5xx', 'Sum'], 'above', () => 5, 'more than five failed requests'),
      watched(
        'SearchSnapshot',
        ['AutomatedSnapshotFailure', 'Maximum'],
        'above',
        () => 0,
        'an hourly snapshot',
      ),
    ],
    WITH_DOMAIN,
  ),
]
