// What a stage consists of before it is taken down: what goes, what stays, and what each costs a month.
import type { Aws } from '../../aws/port.ts'
import type { Template } from '../cfn.ts'
import { hasAllPrices, monthlyCost, together } from '../cost.ts'
import { inCommand } from '../plain-text.ts'
import { property } from '../reading.ts'
import { resourcesOf } from '../release/follow.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'

/** Something of the stage, as AWS calls it. */
export interface Part {
  /** In the template. */
  readonly id: string
  readonly type: string
  /** At AWS: a bucket's name, a secret's ARN, a database's identifier. */
  readonly name: string
}
export interface Inventory {
  readonly parts: readonly Part[]
  /** Of these, what a deletion of the stack leaves where it is. */
  readonly kept: readonly Part[]
  readonly groups: readonly string[]
  /** Identifier; undefined when the stage has none (any more). */
  readonly primary: string | undefined
}

/** USD a month; us-east-1’s list prices, as in cost.ts. */
const PRICES = { snapshotGiB: 0.095, objectGiB: 0.023, secret: 0.4 } as const

/** @param stack its id: works also for one that is gone */
export async function takeInventory(aws: Aws, stack: string, template: Template): Promise<Inventory> {
  const parts: Part[] = []
  for (const one of await resourcesOf(aws, stack)) {
    const {
      LogicalResourceId: id,
      ResourceType: type,
      PhysicalResourceId: name,
      ResourceStatus: status,
    } = one
    if (id === undefined || type === undefined || !name || status === 'DELETE_COMPLETE') continue
    parts.push({ id, type, name })
  }
  const of = (type: string) => parts.filter((part) => part.type === type)
  return {
    parts,
    kept: parts.filter(({ id }) => template.Resources[id]?.DeletionPolicy === 'Retain'),
    groups: of('AWS::AutoScaling::AutoScalingGroup').map(({ name }) => name),
    primary: of(DATABASE).find(
      ({ id }) => property(template.Resources[id], 'SourceDBInstanceIdentifier') === undefined,
    )?.name,
  }
}

export const BUCKET = 'AWS::S3::Bucket'
export const DATABASE = 'AWS::RDS::DBInstance'
const SECRET = 'AWS::SecretsManager::Secret'

/** Lines for a person, before anything is done. */
export function showInventory(
  stage: Stage,
  template: Template,
  { parts, kept, primary }: Inventory,
  deletesData: boolean,
): string[] {
  const going = new Map<string, number>()
  for (const { type } of parts.filter((part) => !kept.includes(part)))
    going.set(type, (going.get(type) ?? 0) + 1)
  const costs = monthlyCost(stage, template)
  const stays = deletesData ? kept.filter(({ type }) => type !== BUCKET && !type.endsWith('Policy')) : kept
  return [
    `What goes, ${hasAllPrices(costs) ? '' : 'at least '}${together(costs).toFixed(0)} USD a month less:`,
    ...[...going].sort().map(([type, count]) => `  ${String(count).padStart(3)}  ${type}`),
    ...costs.map((line) => `       ${(line.usd?.toFixed(0) ?? '?').padStart(5)} USD  ${line.what}`),
    ...(deletesData
      ? [
          'What goes for good, with everything in it:',
          ...kept.filter(({ type }) => type === BUCKET).map(({ id, name }) => `  ${id}: bucket ${name}`),
          ...(primary === undefined
            ? []
            : [`  the snapshots of database ${primary} that were made by hand or at its end`]),
        ]
      : []),
    'What stays, and costs on:',
    ...(primary === undefined || deletesData
      ? []
      : [
          `  a snapshot of database ${primary}: up to ${(stage.database.storageGiB * PRICES.snapshotGiB).toFixed(0)} USD a month`,
        ]),
    ...(primary === undefined
      ? []
      : [
          `  its automatic backups: until ${stage.database.backupDays} days have passed, at no more than the same`,
        ]),
    ...stays.flatMap((part) => costOf(part)),
  ]
}

/** A line for what costs something; policies cost nothing. */
export function costOf({ id, type, name }: Part): string[] {
  if (type === BUCKET) return [`  ${id}: bucket ${name}, ${PRICES.objectGiB} USD a month for each GiB in it`]
  if (type === SECRET) return [`  ${id}: secret ${name}, ${PRICES.secret.toFixed(2)} USD a month`]
  // Policies of buckets.
  return type.endsWith('Policy') ? [] : [`  ${id}: ${name}`]
}

/**
 * How each thing that was kept is removed, when nobody needs it any more. What is to be removed by a command has a name
 * of the stage; a secret's does not say whose it is, so that a person looks first.
 */
export function howToRemove(
  stage: StageName,
  kept: readonly Part[],
  snapshots: readonly string[],
  region: string,
): string[] {
  const aws = `aws --region ${region}`
  return [
    ...snapshots.map(
      (name) =>
        `  snapshot ${name}: ${aws} rds delete-db-snapshot --db-snapshot-identifier ${inCommand(name)}`,
    ),
    ...kept.flatMap(({ type, name }) => {
      if (type === BUCKET)
        return [
          `  bucket ${name}: empty it in the console (all versions), then ${aws} s3api delete-bucket --bucket ${inCommand(name)}`,
        ]
      if (type === SECRET)
        return [
          `  secret ${name}: when its tags say service terrace and stage ${stage} (${aws} secretsmanager describe-secret --secret-id ${inCommand(name)}), ` +
            `${aws} secretsmanager delete-secret --secret-id ${inCommand(name)}`,
        ]
      return []
    }),
  ]
}
