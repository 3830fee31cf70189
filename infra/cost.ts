// What a stage costs a month before anyone uses it, line by line, and what AWS promises of it. Both follow from the stage
// table. Prices are us-east-1's list prices: those of servers and databases as dated in instance-types.ts, the others of
// November 2026; traffic, requests, logs, backups and stored
// documents come on top, by use.
import { METRICS } from '../contract/metrics.ts'
import type { Template, TemplateResource } from './cfn.ts'
import { DATABASE_CLASSES, INSTANCE_TYPES } from './instance-types.ts'
import { at, list, ofType } from './reading.ts'
import { MANAGERS } from './search.ts'
import { SEARCH_TYPES } from './search-types.ts'
import type { Stage } from './stage-schema.ts'

export interface CostLine {
  readonly what: string
  /** USD a month of 730 hours, at the least number of servers; undefined where the table has no price. */
  readonly usd: number | undefined
}

/** What is known of it: a lower bound where something has no price. */
export const together = (lines: readonly CostLine[]): number =>
  lines.reduce((sum, { usd }) => sum + (usd ?? 0), 0)
export const hasAllPrices = (lines: readonly CostLine[]): boolean =>
  lines.every(({ usd }) => usd !== undefined)

export const HOURS = 730
/** USD. Per hour: NAT gateway, load balancer, its smallest unit of use, public address. Per GiB and month: disks. */
export const PRICES = {
  nat: 0.045,
  balancer: 0.0225,
  balancerUnit: 0.008,
  address: 0.005,
  diskGiB: 0.08,
  databaseGiB: 0.115,
  searchGiB: 0.122,
  /** Of each metric that an alarm looks at. */
  alarmMetric: 0.1,
  /** An alarm over alarms. */
  state: 0.5,
  /** A metric of one's own, of the first ten thousand. */
  metric: 0.3,
  dashboard: 3,
  secret: 0.4,
  key: 1,
} as const

export function monthlyCost(stage: Stage, template: Template): CostLine[] {
  const count = (type: string) => ofType(template, type).length
  const { database } = stage
  const [nats, balancers] = [
    count('AWS::EC2::NatGateway'),
    count('AWS::ElasticLoadBalancingV2::LoadBalancer'),
  ]
  const servers = (tier: 'web' | 'api'): CostLine => {
    const { instanceType, min, diskGiB } = stage[tier]
    const { price } = INSTANCE_TYPES[instanceType]
    const addresses = tier === 'web' && stage.webPlacement === 'public' ? PRICES.address : 0
    const what = `${tier === 'web' ? 'Web' : 'API'} servers: ${min} × ${instanceType}`
    const each = price && (price[0] + addresses) * HOURS + diskGiB * PRICES.diskGiB
    return { what, usd: each && min * each }
  }
  const { price } = DATABASE_CLASSES[database.instanceClass]
  const perDatabase = price && price[0] * HOURS + database.storageGiB * PRICES.databaseGiB
  return [
    { what: `NAT gateways: ${nats}`, usd: nats * (PRICES.nat + PRICES.address) * HOURS },
    {
      what: `Load balancers: ${balancers}`,
      // The external one has an address in each zone.
      usd: (balancers * (PRICES.balancer + PRICES.balancerUnit) + 2 * PRICES.address) * HOURS,
    },
    ...(stage.fleet === 'serving' ? [servers('web'), servers('api')] : []),
    {
      what: `Database: ${database.instanceClass}${database.multiAz ? ' and its standby' : ''}`,
      usd: perDatabase && perDatabase * (database.multiAz ? 2 : 1),
    },
    ...(database.replica ? [{ what: `Read replica: ${database.instanceClass}`, usd: perDatabase }] : []),
    ...searchCost(stage),
    ...watching(stage, template),
    {
      what: 'Secrets and key',
      usd: count('AWS::SecretsManager::Secret') * PRICES.secret + count('AWS::KMS::Key') * PRICES.key,
    },
  ]
}

function searchCost({ search }: Stage): CostLine[] {
  if (search === undefined) return []
  const { instanceType, instances, managers, volumeGiB } = search
  const nodes = instances * (SEARCH_TYPES[instanceType].usdPerHour * HOURS + volumeGiB * PRICES.searchGiB)
  return [
    { what: `Search domain: ${instances} × ${instanceType}, ${volumeGiB} GiB each`, usd: nodes },
    ...(managers === undefined
      ? []
      : [
          {
            what: `Search domain’s managers: ${MANAGERS} × ${managers}`,
            usd: MANAGERS * SEARCH_TYPES[managers].usdPerHour * HOURS,
          },
        ]),
  ]
}

/** Alarms that Auto Scaling makes for a policy that tracks a target: one for each direction. */
const ALARMS_A_TARGET = 2

function watching(stage: Stage, template: Template): CostLine[] {
  const alarms = ofType(template, 'AWS::CloudWatch::Alarm')
  const looked = alarms.reduce((sum, [, alarm]) => sum + metricsOf(alarm), 0)
  const tracked = ofType(template, 'AWS::AutoScaling::ScalingPolicy').filter(
    ([, policy]) => policy.Properties.PolicyType === 'TargetTrackingScaling',
  ).length
  const states = ofType(template, 'AWS::CloudWatch::CompositeAlarm').length
  const written =
    stage.fleet === 'serving' ? Object.values(METRICS).reduce((sum, { tiers }) => sum + tiers.length, 0) : 0
  return [
    {
      what: `Alarms: ${alarms.length}, and ${states} over them`,
      usd: (looked + tracked * ALARMS_A_TARGET) * PRICES.alarmMetric + states * PRICES.state,
    },
    ...(written > 0
      ? [{ what: `Metrics that servers write: ${written}`, usd: written * PRICES.metric }]
      : []),
    { what: 'Dashboard', usd: ofType(template, 'AWS::CloudWatch::Dashboard').length * PRICES.dashboard },
  ]
}

const metricsOf = (alarm: TemplateResource): number =>
  Math.max(1, list(alarm.Properties.Metrics).filter((query) => at(query, 'MetricStat') !== undefined).length)

/**
 * Parts of a year that AWS's service level agreements promise (Elastic Load Balancing; EC2, in two zones and of one
 * instance; RDS, Multi-AZ and of one instance), as of November 2026; what is below them is credited, not prevented. */
const PROMISED = {
  balancer: 0.9999,
  servers: 0.9999,
  oneServer: 0.995,
  databaseWithStandby: 0.9995,
  oneDatabase: 0.995,
} as const

/** What a question passes, and the part of a year that AWS promises of each. */
export function promises(stage: Stage): Readonly<Record<'balancers' | 'web' | 'api' | 'database', number>> {
  const servers = (min: number) => (min > 1 ? PROMISED.servers : PROMISED.oneServer)
  return {
    // The external one and the internal one.
    balancers: PROMISED.balancer ** 2,
    web: servers(stage.web.min),
    api: servers(stage.api.min),
    database: stage.database.multiAz ? PROMISED.databaseWithStandby : PROMISED.oneDatabase,
  }
}

/** Part of a year: everything that a question passes has to be there at the same time. */
export const promisedAvailability = (stage: Stage): number =>
  Object.values(promises(stage)).reduce((product, part) => product * part, 1)
