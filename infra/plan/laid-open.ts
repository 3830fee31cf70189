// What a change keeps but opens, or keeps for less long: data is lost that way, too. By a setting of its own, or by what
// lets others come to it: policies (readers.ts) and security groups (doors.ts).
import type { Template, TemplateResource } from '../cfn.ts'
import { at, property } from '../reading.ts'
import { doorsOpened } from './doors.ts'
import { readersAdded } from './readers.ts'

/**
 * What comes to be open in a stack that is there, by the ids of what opens it. Of a new one nothing is laid open: it holds
 * nothing yet.
 */
export function openedBy(before: Template, after: Template): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  if (Object.keys(before.Resources).length === 0) return found
  for (const [id, reason] of [...doorsOpened(before, after), ...readersAdded(before, after)]) {
    const known = found.get(id) ?? []
    if (!known.includes(reason)) found.set(id, [...known, reason])
  }
  return found
}

/** @returns what gets worse, in words; undefined where nothing does */
export function laidOpen(
  type: string,
  before: TemplateResource,
  after: TemplateResource | undefined,
): string | undefined {
  const was = (path: string) => property(before, path)
  const is = (path: string) => property(after, path)
  if (is('PubliclyAccessible') === true && was('PubliclyAccessible') !== true)
    return 'holds data, and would be reachable from outside: PubliclyAccessible'
  if (type === 'AWS::S3::Bucket') {
    const open = PUBLIC_ACCESS.filter(
      (one) =>
        was(`PublicAccessBlockConfiguration.${one}`) === true &&
        is(`PublicAccessBlockConfiguration.${one}`) !== true,
    )
    if (open.length > 0) return `holds data, and could be opened to everyone: ${open.join(', ')}`
    if (
      was('VersioningConfiguration.Status') === 'Enabled' &&
      is('VersioningConfiguration.Status') !== 'Enabled'
    )
      return 'holds data, and would forget what is overwritten or deleted: VersioningConfiguration'
    for (const end of ENDS)
      if (
        soonest(is('LifecycleConfiguration.Rules'), end) < soonest(was('LifecycleConfiguration.Rules'), end)
      )
        return `holds data, and would remove it sooner: LifecycleConfiguration (${end})`
  }
  return undefined
}

const PUBLIC_ACCESS = ['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets']
const ENDS = [
  'NoncurrentVersionExpiration.NoncurrentDays',
  'NoncurrentVersionExpirationInDays',
  'ExpirationInDays',
]

/** Days; Infinity where no rule removes anything. */
function soonest(rules: unknown, end: string): number {
  const days = (Array.isArray(rules) ? rules : []).map((rule) => Number(at(rule, end)))
  return Math.min(...days.filter((one) => Number.isFinite(one)))
}
