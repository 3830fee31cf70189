// What a deployment would do to what is there: two templates compared, with what follows from one resource being replaced
// for all that refer to it, however deep in a text. What holds data is not replaced or removed by a plan that nobody has read.
// Which property replaces its resource is AWS's own data (@aws-cdk/aws-service-spec); where its reference is stricter, that.
import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec'
import type { Template, TemplateResource } from '../cfn.ts'
import { property } from '../reading.ts'
import { openedBy } from './laid-open.ts'
import { mentions } from './mentions.ts'

const EFFECTS = ['add', 'update', 'may-replace', 'replace', 'remove'] as const
export type Effect = (typeof EFFECTS)[number]
export interface Change {
  readonly id: string
  readonly type: string
  readonly effect: Effect
  /** Properties and attributes that differ, or whose value will. */
  readonly differing: readonly string[]
  /** Why this change is not made without being asked for by name; undefined when it may be. */
  readonly blocked: string | undefined
}

/** What can't be made anew with what was in it. */
const HOLDS_DATA: ReadonlySet<string> = new Set([
  'AWS::KMS::Key',
  'AWS::Logs::LogGroup',
  'AWS::RDS::DBInstance',
  'AWS::S3::Bucket',
  'AWS::SecretsManager::Secret',
])

/** What can be filled from elsewhere, and how long that takes is felt. */
const HOLDS_A_COPY: Readonly<Record<string, string>> = {
  'AWS::OpenSearchService::Domain':
    'holds the search index: nothing is found by it until it is filled from the database anew, which may take hours',
}

/** Replaces, says AWS's reference; its data says that it does not, or perhaps. */
const ALSO_REPLACES: Readonly<Record<string, readonly string[]>> = {
  'AWS::KMS::Key': ['KeySpec', 'KeyUsage', 'MultiRegion'],
  'AWS::RDS::DBInstance': ['PerformanceInsightsKMSKeyId'],
}

/** CloudFormation's own attributes of a resource, whose change is an update of the stack and not of the resource. */
const ATTRIBUTES = ['DeletionPolicy', 'UpdateReplacePolicy', 'UpdatePolicy'] as const

/** What deploying `after` over `before` does, in the order of the logical ids. */
export function compare(before: Template, after: Template): Change[] {
  const found = new Map<string, { effect: Effect; differing: string[] }>()
  const note = (id: string, name: string, effect: Effect) => {
    const known = found.get(id) ?? { effect, differing: [] }
    if (known.differing.includes(name)) return
    found.set(id, { effect: worse(known.effect, effect), differing: [...known.differing, name] })
    if (effect === 'replace') replaced.add(id)
  }
  const replaced = new Set<string>()
  for (const id of new Set([...Object.keys(before.Resources), ...Object.keys(after.Resources)])) {
    const [was, is] = [before.Resources[id], after.Resources[id]]
    if (was === undefined) found.set(id, { effect: 'add', differing: [] })
    else if (is === undefined) found.set(id, { effect: 'remove', differing: [] })
    else if (was.Type !== is.Type) note(id, 'Type', 'replace')
    else {
      for (const name of new Set([...Object.keys(was.Properties), ...Object.keys(is.Properties)]))
        if (!same(was.Properties[name], is.Properties[name])) note(id, name, effectOf(is.Type, name))
      for (const name of ATTRIBUTES) if (!same(was[name], is[name])) note(id, name, 'update')
    }
  }
  // A set is walked to what is added meanwhile: replacing one may replace the next.
  for (const gone of replaced)
    for (const [id, { Type, Properties }] of Object.entries(after.Resources))
      for (const [name, value] of Object.entries(Properties))
        if (before.Resources[id] !== undefined && mentions(value, gone)) note(id, name, effectOf(Type, name))
  const blocked = gate(before, after)
  return [...found]
    .map(([id, change]) => {
      const type = (after.Resources[id] ?? before.Resources[id])?.Type ?? ''
      const whole = { id, type, ...change }
      return { ...whole, blocked: blocked(whole) }
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

export const worse = (a: Effect, b: Effect): Effect => (EFFECTS.indexOf(a) > EFFECTS.indexOf(b) ? a : b)

/** Read when it is first asked: it takes a second. */
let spec: ReturnType<typeof loadAwsServiceSpecSync> | undefined

/** What an update of one property does. What is not known to AWS's data may do anything. */
function effectOf(type: string, name: string): Effect {
  spec ??= loadAwsServiceSpecSync()
  const [resource] = spec.lookup('resource', 'cloudFormationType', 'equals', type)
  const found = resource?.properties[name]
  if (ALSO_REPLACES[type]?.includes(name) || found?.causesReplacement === 'yes') return 'replace'
  return found === undefined || found.causesReplacement === 'maybe' ? 'may-replace' : 'update'
}

/** As CloudFormation sees it: `"1"` is `1`, and the order of keys says nothing. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return a === b || (a !== undefined && b !== undefined && String(a) === String(b))
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => same(Reflect.get(a, key), Reflect.get(b, key)))
}

/** Says of a change why it is not made without being asked for by name; undefined when it may be. */
export function gate(
  before: Template,
  after: Template,
): (change: Omit<Change, 'blocked'>) => string | undefined {
  const opened = openedBy(before, after)
  return (change) => {
    const lost = whyNot(change, before.Resources[change.id], after.Resources[change.id])
    const all = [...(lost === undefined ? [] : [lost]), ...(opened.get(change.id) ?? [])]
    return all.length > 0 ? all.join('; ') : undefined
  }
}

/** What one resource would lose. */
function whyNot(
  { effect, differing }: Omit<Change, 'blocked'>,
  before: TemplateResource | undefined,
  after: TemplateResource | undefined,
): string | undefined {
  // What it is: what it becomes may be something else by the same name.
  const type = before?.Type ?? ''
  const copy = HOLDS_A_COPY[type]
  if (copy !== undefined)
    return effect === 'update' ? undefined : `${copy} (${effect}: ${differing.join(', ') || 'whole'})`
  if (before === undefined || !HOLDS_DATA.has(type)) return undefined
  const isReplica = property(before, 'SourceDBInstanceIdentifier') !== undefined
  if (isReplica && after && property(after, 'SourceDBInstanceIdentifier') === undefined)
    return 'promotes the replica to a database of its own, for good'
  // A replica holds nothing that its source does not; but all of that.
  if (isReplica) return undefined
  if (effect === 'remove') return 'holds data, and goes'
  if (effect === 'replace') return `holds data, and is made anew, empty: ${differing.join(', ')}`
  if (effect === 'may-replace') return `holds data, and may be made anew, empty: ${differing.join(', ')}`
  for (const name of ['DeletionPolicy', 'UpdateReplacePolicy'] as const)
    if (differing.includes(name) && !['Retain', 'Snapshot'].includes(after?.[name] ?? 'Delete'))
      return `holds data, and would go without a trace: ${name}`
  if (property(before, 'DeletionProtection') === true && property(after, 'DeletionProtection') !== true)
    return 'holds data, and is no longer protected'
  return undefined
}
