// CloudFormation written in TypeScript: properties are checked against AWS's schemas, a value may be a token that
// CloudFormation resolves, and a reference names a resource that is really there.
// What comes out is a plain template object; what goes into it is decided by the files of this folder, one per concern.
import type { ResourceTypes, TypeName } from './resource-types.ts'

declare const resolves: unique symbol
/** A value that CloudFormation finds out while it deploys; `T` is what it will be. */
export interface Token<T> {
  readonly [resolves]: T
}

/** `T`, of which any part may be a token of that part's type. */
type Value<T> =
  | Token<T>
  | (T extends string | number | boolean
      ? T
      : T extends readonly (infer Item)[]
        ? readonly Value<Item>[]
        : { readonly [Key in keyof T]: Value<T[Key]> })

/** The properties of a resource: never a token as a whole, only their values. */
export type Properties<T extends TypeName> = {
  readonly [Key in keyof ResourceTypes[T]['Properties']]: Value<ResourceTypes[T]['Properties'][Key]>
}
export type Text = Value<string>

/** Attributes as CloudFormation spells them, `DBInstanceArn` or `Endpoint.Address`. */
type Path<T> = {
  [Key in keyof T & string]: NonNullable<T[Key]> extends string | number | boolean | readonly unknown[]
    ? Key
    : `${Key}.${Path<NonNullable<T[Key]>>}`
}[keyof T & string]
type At<T, P extends string> = P extends `${infer Key}.${infer Rest}`
  ? Key extends keyof T
    ? At<NonNullable<T[Key]>, Rest>
    : never
  : P extends keyof T
    ? NonNullable<T[P]>
    : never

const token = <T>(value: object): Token<T> => value as Token<T>

/** The name inside a `${…}` of a substitution. */
type Names<S extends string> = S extends `${string}\${${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never
type Pseudo =
  | 'AWS::AccountId'
  | 'AWS::Partition'
  | 'AWS::Region'
  | 'AWS::StackName'
  | 'AWS::StackId'
  | 'AWS::URLSuffix'

/** Text with `${name}` in it; every name but AWS's own (`${AWS::Region}`) has to be given a value. */
export function sub<const S extends string>(
  text: S,
  ...[values]: Exclude<Names<S>, Pseudo> extends never
    ? []
    : [{ readonly [Name in Exclude<Names<S>, Pseudo>]: Text }]
): Token<string> {
  return token({ 'Fn::Sub': values === undefined ? text : [text, values] })
}
export const join = (separator: string, ...parts: readonly Text[]): Token<string> =>
  token({ 'Fn::Join': [separator, parts] })
export const base64 = (text: Text): Token<string> => token({ 'Fn::Base64': text })

const isToken = (value: unknown): value is Token<string> =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length === 1 &&
  /^(Ref|Fn::.+)$/.test(Object.keys(value)[0] ?? '')

/** A JSON document with tokens in it, as text. The tokens' values must be such as JSON need not escape: ids, ARNs, hosts. */
export function json(document: object): Token<string> {
  const values: Record<string, Text> = {}
  const text = JSON.stringify(document, (_key, value: unknown) => {
    if (typeof value === 'string') return value.replaceAll('${', '${!')
    if (!isToken(value)) return value
    const name = `V${Object.keys(values).length}`
    values[name] = value
    return `\${${name}}`
  })
  return token({ 'Fn::Sub': [text, values] })
}

/** A field of a secret, read by CloudFormation itself: it never stands in the template. */
export const secretField = (secret: Resource<'AWS::SecretsManager::Secret'>, field: string): Token<string> =>
  join('', '{{resolve:secretsmanager:', secret.ref, `:SecretString:${field}}}`)

type Policy = 'Delete' | 'Retain' | 'Snapshot'
/** CloudFormation's own attributes. The published types lack the instance refresh that it does by itself. */
export interface Options {
  readonly DependsOn?: readonly Pick<Resource, 'id' | 'type'>[]
  readonly DeletionPolicy?: Policy
  readonly UpdateReplacePolicy?: Policy
  readonly UpdatePolicy?:
    | { readonly EnableVersionUpgrade: boolean }
    | {
        readonly AutoScalingInstanceRefresh: {
          readonly Strategy: 'Rolling' | 'ReplaceRootVolume'
          readonly Preferences: {
            readonly MinHealthyPercentage: number
            readonly MaxHealthyPercentage: number
            /** Seconds. */
            readonly InstanceWarmup: number
            readonly SkipMatching: boolean
            /** Seconds that the new instances are watched before the refresh counts as done. */
            readonly BakeTime: number
            readonly AlarmSpecification: { readonly Alarms: readonly Text[] }
          }
        }
      }
}

/** Of what holds something, and is meant to go all the same: said, so that nobody takes it for forgotten. */
export const GOES_WITH_STACK = {
  DeletionPolicy: 'Delete',
  UpdateReplacePolicy: 'Delete',
} as const satisfies Options

export class Resource<T extends TypeName = TypeName> {
  readonly id: string
  readonly type: T
  readonly #properties: object
  readonly #options: Options

  constructor(id: string, type: T, properties: object, options: Options) {
    this.id = id
    this.type = type
    this.#properties = properties
    this.#options = options
  }

  get ref(): Token<string> {
    return token({ Ref: this.id })
  }

  att<P extends Path<ResourceTypes[T]['Attributes']>>(path: P): Token<At<ResourceTypes[T]['Attributes'], P>> {
    return token({ 'Fn::GetAtt': [this.id, path] })
  }

  toJSON(): object {
    const { DependsOn, ...options } = this.#options
    return {
      Type: this.type,
      ...options,
      ...(DependsOn && { DependsOn: DependsOn.map(({ id }) => id) }),
      Properties: this.#properties,
    }
  }
}

/** A template as it is sent: plain JSON, tokens and all. */
export interface Template {
  readonly Description: string
  readonly Resources: Readonly<Record<string, TemplateResource>>
  readonly Outputs: Readonly<Record<string, { readonly Description: string; readonly Value: unknown }>>
}
export interface TemplateResource {
  readonly Type: string
  readonly DependsOn?: readonly string[]
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
  readonly UpdatePolicy?: unknown
  readonly Properties: Readonly<Record<string, unknown>>
}

export class Stack {
  readonly #description: string
  readonly #resources = new Map<string, object>()
  readonly #outputs = new Map<string, { readonly Description: string; readonly Value: Text }>()

  constructor(description: string) {
    this.#description = description
  }

  /** @throws Error when the logical id is taken */
  add<T extends TypeName>(
    id: string,
    type: T,
    properties: Properties<T>,
    options: Options = {},
  ): Resource<T> {
    if (this.#resources.has(id)) throw new Error(`two resources are called ${id}`)
    const resource = new Resource(id, type, properties, options)
    this.#resources.set(id, resource)
    return resource
  }

  output(id: string, description: string, value: Text): void {
    this.#outputs.set(id, { Description: description, Value: value })
  }

  /** The same calls give the same bytes: everything stands in the order in which it was added. */
  template(): Template {
    return JSON.parse(
      JSON.stringify({
        Description: this.#description,
        Resources: Object.fromEntries(this.#resources),
        Outputs: Object.fromEntries(this.#outputs),
      }),
    )
  }
}
