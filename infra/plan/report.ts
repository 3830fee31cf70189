// A plan in words: what there will be, what it costs, and what changes.
import type { Template } from '../cfn.ts'
import { hasAllPrices, monthlyCost, together } from '../cost.ts'
import { DATABASE_CLASSES, INSTANCE_TYPES } from '../instance-types.ts'
import type { Stage } from '../stage-schema.ts'
import type { Change, Effect } from './changes.ts'

/** The tier that a resource is there for, by its logical id; the first that fits. The rest serves all of them. */
const TIERS: readonly [tier: string, ids: RegExp][] = [
  ['web tier', /^(Web|External|World|Https?[A-Z]|Address$|Certificate|Requests|BalancerErrors)/],
  ['API tier', /^(Api|Internal|Answers|FirstTokens|AuthSecret$|SetupToken$)/],
  ['database tier', /^(Database|Migration)/],
]
const SHARED = 'for all tiers'

/** Where people look for a resource, by its type; the first that fits. */
const ROOMS: readonly [room: string, types: RegExp][] = [
  ['servers', /^AWS::(AutoScaling|EC2::LaunchTemplate)/],
  ['network', /^AWS::EC2::/],
  ['load balancers', /^AWS::(ElasticLoadBalancingV2|CertificateManager|Route53)/],
  ['database', /^AWS::RDS::/],
  ['storage', /^AWS::S3::/],
  ['identities', /^AWS::IAM::/],
  ['settings and secrets', /^AWS::(SSM|SecretsManager)::/],
  ['watching', /^AWS::(CloudWatch|Logs|SNS|KMS)::/],
]
const roomOf = (type: string) => ROOMS.find(([, types]) => types.test(type))?.[0] ?? 'other'

/** Resources by tier, and what they are: `38  web tier: 18 watching, 9 network`. */
function byTier(template: Template): string[] {
  const tiers = new Map(
    [...TIERS.map(([tier]) => tier), SHARED].map((tier) => [tier, new Map<string, number>()]),
  )
  for (const [id, { Type }] of Object.entries(template.Resources)) {
    const rooms = tiers.get(TIERS.find(([, ids]) => ids.test(id))?.[0] ?? SHARED)
    rooms?.set(roomOf(Type), (rooms.get(roomOf(Type)) ?? 0) + 1)
  }
  return [...tiers].map(([tier, rooms]) => {
    const counts = [...rooms].sort(([, a], [, b]) => b - a)
    const all = counts.reduce((sum, [, count]) => sum + count, 0)
    return `${String(all).padStart(8)}  ${tier}: ${counts.map(([room, count]) => `${count} ${room}`).join(', ')}`
  })
}

const SIGNS: Readonly<Record<Effect, string>> = {
  add: '+         ',
  update: '~         ',
  'may-replace': '? replaces',
  replace: '! replaces',
  remove: '-         ',
}

/** What a stage runs on, and of when its price is. */
function machines(stage: Stage): string[] {
  const priced = (price: readonly [number, string] | undefined) =>
    price === undefined ? 'no price in the table' : `price of ${price[1]}`
  const servers = (['web', 'api'] as const).map((tier) => {
    const { instanceType, min, max } = stage[tier]
    const { vcpus, memoryGiB, networkGbps, burstable, price } = INSTANCE_TYPES[instanceType]
    const cpu = `${vcpus} vCPU${burstable ? ' with credits' : ''}`
    return `${tier.padStart(8)}  ${min} to ${max} × ${instanceType}: ${cpu}, ${memoryGiB} GiB, ${networkGbps} Gbit/s at any time; ${priced(price)}`
  })
  const { memoryGiB, price } = DATABASE_CLASSES[stage.database.instanceClass]
  const data = `${'database'.padStart(8)}  ${stage.database.instanceClass}: ${memoryGiB} GiB; ${priced(price)}`
  return [...(stage.fleet === 'serving' ? servers : []), data]
}

/** @param changes undefined when there is nothing to compare with */
export function report(
  name: string,
  stage: Stage,
  template: Template,
  changes: readonly Change[] | undefined,
): string {
  const costs = monthlyCost(stage, template)
  const lines = [
    `Stage ${name}: account ${stage.account}, ${stage.region}, zones ${stage.zones.join(' and ')}`,
    '',
    `${Object.keys(template.Resources).length} resources`,
    ...byTier(template),
    '',
    ...machines(stage),
    '',
    'USD a month before anyone uses it (us-east-1, November 2026 unless said; without traffic, logs, backups and documents)',
    ...costs.map(({ what, usd }) =>
      usd === undefined
        ? `${'?'.padStart(8)}  ${what}: no price in the table`
        : `${usd.toFixed(0).padStart(8)}  ${what}`,
    ),
    `${together(costs).toFixed(0).padStart(8)}  together${hasAllPrices(costs) ? '' : ', and what has no price here'}`,
  ]
  if (changes === undefined) return `${lines.join('\n')}\n`
  const blocked = changes.filter((change) => change.blocked !== undefined)
  return `${[
    ...lines,
    '',
    changes.length === 0 ? 'Nothing changes.' : `${changes.length} changes`,
    ...changes.map(
      ({ id, type, effect, differing }) =>
        `  ${SIGNS[effect]}  ${id} (${type})${differing.length > 0 ? `: ${differing.join(', ')}` : ''}`,
    ),
    ...(blocked.length > 0 ? ['', 'Not to be deployed as it is:'] : []),
    ...blocked.map((change) => `  ${change.id} ${change.blocked}`),
  ].join('\n')}\n`
}

/** What of a deployed stack is not locked though it should be; nothing when all is. */
export function reportOpen(name: string, open: readonly string[]): string {
  if (open.length === 0) return ''
  return `${['', 'Not locked:', ...open.map((one) => `  ${one}`), `npm run apply -- --stage ${name} locks it again, also when nothing is to be changed.`].join('\n')}\n`
}
