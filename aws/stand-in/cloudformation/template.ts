// Templates as CloudFormation reads them: what refers to what, and what a reference turns into.
import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec'
import { awsError } from '../service.ts'

export interface TemplateResource {
  readonly Type: string
  readonly Properties?: Readonly<Record<string, unknown>>
  readonly DependsOn?: string | readonly string[]
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
  readonly UpdatePolicy?: unknown
}
export interface Template {
  readonly Resources: Readonly<Record<string, TemplateResource>>
  readonly Outputs?: Readonly<Record<string, { readonly Description?: string; readonly Value: unknown }>>
}

/** @throws ValidationError for what is no template, of a type that there is not, or refers to what it does not have */
export function readTemplate(text: string): Template {
  let template: Template
  try {
    template = JSON.parse(text)
  } catch {
    throw awsError('ValidationError', 'Template format error: JSON not well-formed.')
  }
  const resources = template.Resources
  if (typeof resources !== 'object' || resources === null || Object.keys(resources).length === 0)
    throw awsError('ValidationError', 'Template format error: At least one Resources member must be defined.')
  for (const [id, resource] of Object.entries(resources)) {
    if (!isKnown(resource.Type))
      throw awsError(
        'ValidationError',
        `Template format error: Unrecognized resource types: [${resource.Type}]`,
      )
    const missing = needs(resource).filter((other) => resources[other] === undefined)
    if (missing.length > 0)
      throw awsError(
        'ValidationError',
        `Template format error: Unresolved resource dependencies [${missing.join(', ')}] in the Resources block of the template (${id})`,
      )
  }
  return template
}

let spec: ReturnType<typeof loadAwsServiceSpecSync> | undefined
function resourceOf(type: string) {
  // It takes a second: read when it is first asked.
  spec ??= loadAwsServiceSpecSync()
  return spec.lookup('resource', 'cloudFormationType', 'equals', type)[0]
}
const isKnown = (type: string) => resourceOf(type) !== undefined

/** Whether an update of a property makes its resource anew. */
export function recreates(type: string, property: string): 'Always' | 'Conditionally' | 'Never' {
  const replaces = resourceOf(type)?.properties[property]?.causesReplacement
  if (replaces === 'yes') return 'Always'
  return replaces === 'maybe' ? 'Conditionally' : 'Never'
}

/** Properties, and attributes that AWS makes up, that say which one of its type a resource is. */
export const identifiers = (type: string): readonly string[] => resourceOf(type)?.primaryIdentifier ?? []

export interface Reference {
  readonly id: string
  /** Undefined for `Ref`. */
  readonly attribute: string | undefined
}

/** Everything that a value refers to; AWS's own names left out. */
export function references(value: unknown, found: Reference[] = []): Reference[] {
  if (typeof value !== 'object' || value === null) return found
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Sub': sub, ...rest } = value as Record<string, unknown>
  if (typeof Ref === 'string' && !Ref.startsWith('AWS::')) found.push({ id: Ref, attribute: undefined })
  if (Array.isArray(attribute)) found.push({ id: String(attribute[0]), attribute: String(attribute[1]) })
  if (sub !== undefined) {
    const [text, values] = Array.isArray(sub) ? sub : [sub, {}]
    for (const [, name = ''] of String(text).matchAll(/\$\{([^!}][^}]*)\}/g))
      if (!name.startsWith('AWS::') && !Object.hasOwn(values, name)) {
        const [id = '', ...path] = name.split('.')
        found.push({ id, attribute: path.length > 0 ? path.join('.') : undefined })
      }
    references(values, found)
  }
  for (const inner of Object.values(rest)) references(inner, found)
  return found
}

/** What has to be there before a resource can be. */
export function needs({ Properties, DependsOn = [] }: TemplateResource): string[] {
  return [...new Set([...references(Properties).map(({ id }) => id), ...[DependsOn].flat()])]
}

/** @param look up what a reference turns into */
export function resolve(value: unknown, look: (id: string, attribute?: string) => string): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => resolve(item, look))
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Sub': sub, 'Fn::Join': join } = value as Record<string, unknown>
  if (typeof Ref === 'string') return look(Ref)
  if (Array.isArray(attribute)) return look(String(attribute[0]), String(attribute[1]))
  if (sub !== undefined) {
    const [text, values] = (Array.isArray(sub) ? sub : [sub, {}]) as [string, Record<string, unknown>]
    return text
      .replaceAll(/\$\{([^!}][^}]*)\}/g, (_, name: string) => {
        if (Object.hasOwn(values, name)) return String(resolve(values[name], look))
        const [id = '', ...path] = name.split('.')
        return path.length > 0 ? look(id, path.join('.')) : look(id)
      })
      .replaceAll('${!', '${')
  }
  if (Array.isArray(join)) {
    const [separator, parts] = join as [string, unknown[]]
    return parts.map((part) => resolve(part, look)).join(separator)
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner, look)]))
}

/** The order of keys says nothing, and `"1"` is `1`. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return a === b || (a !== undefined && b !== undefined && String(a) === String(b))
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => same(Reflect.get(a, key), Reflect.get(b, key)))
}
