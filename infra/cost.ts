// What a stage costs a month before anyone uses it, line by line, and what AWS promises of it. Both follow from the stage
// table. Prices are us-east-1's list prices, as dated in instance-types.ts; traffic, requests, logs, backups and stored
// documents come on top, by use.
import { METRICS } from '../contract/metrics.ts'
import type { Template } from './cfn.ts'
import { DATABASE_CLASSES, INSTANCE_TYPES } from './instance-types.ts'
import { ofType } from './reading.ts'
import type { Stage } from './stage-schema.ts'

export interface CostLine {
  readonly what: string
  /** USD a month of 730 hours, at the least number of servers. */
  readonly usd: number
}

const HOURS = 730
/** USD. Per hour: NAT gateway, load balancer, its smallest unit of use, public address. Per GiB and month: disks. */
const PRICES = {
  nat: 0.045,
  balancer: 0.0225,
  balancerUnit: 0.008,
  address: 0.005,
  diskGiB: 0.08,
  databaseGiB: 0.115,
  alarm: 0.1,
  metric: 0.3,
  dashboard: 3,
  secret: 0.4,
  key: 1,
} as const

/** A metric of a stage and a tier is one, however many servers write it. */
const OWN_METRICS = Object.values(METRICS).reduce((sum, { tiers }) => sum + tiers.length, 0)

export function monthlyCost(stage: Stage, template: Template): CostLine[] {
  const count = (type: string) => ofType(template, type).length
  const { database } = stage
  const [nats, balancers] = [
    count('AWS::EC2::NatGateway'),
    count('AWS::ElasticLoadBalancingV2::LoadBalancer'),
  ]
  const servers = (tier: 'web' | 'api'): CostLine => {
    const { instanceType, min, diskGiB } = stage[tier]
    const addresses = tier === 'web' && stage.webPlacement === 'public' ? PRICES.address : 0
    const each = (INSTANCE_TYPES[instanceType].usdPerHour + addresses) * HOURS + diskGiB * PRICES.diskGiB
    return { what: `${tier === 'web' ? 'Web' : 'API'} servers: ${min} × ${instanceType}`, usd: min * each }
  }
  const perDatabase =
    DATABASE_CLASSES[database.instanceClass].usdPerHour * HOURS + database.storageGiB * PRICES.databaseGiB
  const watching =
    count('AWS::CloudWatch::Alarm') * PRICES.alarm +
    count('AWS::CloudWatch::Dashboard') * PRICES.dashboard +
    (stage.fleet === 'serving' ? OWN_METRICS * PRICES.metric : 0) +
    count('AWS::SecretsManager::Secret') * PRICES.secret +
    count('AWS::KMS::Key') * PRICES.key
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
      usd: perDatabase * (database.multiAz ? 2 : 1),
    },
    ...(database.replica ? [{ what: `Read replica: ${database.instanceClass}`, usd: perDatabase }] : []),
    { what: 'Alarms, dashboard, metrics, secrets, key', usd: watching },
  ]
}

/** Parts of a year that AWS's service level agreements promise; what is below them is credited, not prevented. */
const PROMISED = {
  balancer: 0.9999,
  servers: 0.9999,
  oneServer: 0.995,
  databaseWithStandby: 0.9995,
  oneDatabase: 0.995,
} as const

/** Part of a year: everything that a question passes has to be there at the same time. */
export function promisedAvailability(stage: Stage): number {
  const servers = (min: number) => (min > 1 ? PROMISED.servers : PROMISED.oneServer)
  const database = stage.database.multiAz ? PROMISED.databaseWithStandby : PROMISED.oneDatabase
  return PROMISED.balancer ** 2 * servers(stage.web.min) * servers(stage.api.min) * database
}
