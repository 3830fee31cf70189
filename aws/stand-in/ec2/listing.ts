// What every Describe of EC2 has in common: tags, filters, pages, and that what was just made may not be seen yet.
import type { Filter, Tag, TagSpecification } from '@aws-sdk/client-ec2'
import { awsError } from '../service.ts'

export type Tags = ReadonlyMap<string, string>

/** The guide's "Tag your Amazon EC2 resources", restrictions. */
export const MOST_TAGS = 50
const LONGEST_TAG = { key: 128, value: 256 } as const

/** Ids are counted, so that two runs of a test that do the same get the same. */
export class Ids {
  readonly #counts = new Map<string, number>()

  next(prefix: string): string {
    const count = (this.#counts.get(prefix) ?? 0) + 1
    this.#counts.set(prefix, count)
    return `${prefix}-${count.toString(16).padStart(17, '0')}`
  }
}

export const tagsOf = (
  list: readonly { Key?: string | undefined; Value?: string | undefined }[] = [],
): Tags => new Map(list.map(({ Key = '', Value = '' }) => [Key, Value]))

export const listed = (tags: Tags): Tag[] => [...tags].map(([Key, Value]) => ({ Key, Value }))

/** The tags that a request gives to one kind of what it makes. */
export function tagsFor(
  kind: string,
  specifications: readonly TagSpecification[] | undefined,
  allowed: readonly string[],
): Tags {
  for (const { ResourceType: type = '' } of specifications ?? [])
    if (!allowed.includes(type))
      throw awsError(
        'InvalidParameterValue',
        `'${type}' is not a valid taggable resource type for this operation.`,
      )
  const tags = tagsOf(specifications?.find(({ ResourceType }) => ResourceType === kind)?.Tags)
  if (tags.size > MOST_TAGS)
    throw awsError('TagLimitExceeded', `The maximum number of tags for a resource is ${MOST_TAGS}`)
  for (const [key, value] of tags) {
    if (key === '' || key.length > LONGEST_TAG.key || value.length > LONGEST_TAG.value)
      throw awsError('InvalidParameterValue', `Tag ${key} exceeds the length that a tag may have`)
    if (/^aws:/i.test(key))
      throw awsError('InvalidParameterValue', "Tag keys starting with 'aws:' are reserved for internal use")
  }
  return tags
}

/**
 * Whether something passes all filters. A filter is met by any of its values, in which `*` stands for anything.
 * @param fields what can be asked for, beside `tag:KEY` and `tag-key`
 */
export function passes(
  filters: readonly Filter[] | undefined,
  tags: Tags,
  fields: Readonly<Record<string, string | undefined>>,
): boolean {
  return (filters ?? []).every(({ Name: name = '', Values: wanted = [] }) => {
    const values = valuesOf(name, tags, fields)
    return values.some((value) => wanted.some((pattern) => isLike(value, pattern)))
  })
}

function valuesOf(name: string, tags: Tags, fields: Readonly<Record<string, string | undefined>>): string[] {
  if (name === 'tag-key') return [...tags.keys()]
  if (!name.startsWith('tag:') && !Object.hasOwn(fields, name))
    throw awsError('InvalidParameterValue', `The filter '${name}' is invalid`)
  const value = name.startsWith('tag:') ? tags.get(name.slice('tag:'.length)) : fields[name]
  return value === undefined ? [] : [value]
}

function isLike(value: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(value)
}

/** One page of a list. A token says where the next one begins. */
export function pageOf<T>(
  all: readonly T[],
  {
    MaxResults: limit = 1_000,
    NextToken: token,
  }: { MaxResults?: number | undefined; NextToken?: string | undefined },
): { page: T[]; next: { NextToken?: string } } {
  const from = token === undefined ? 0 : Number(token)
  if (!Number.isInteger(from)) throw awsError('InvalidPaginationToken', `The token '${token}' is invalid`)
  const page = all.slice(from, from + limit)
  return { page, next: from + limit < all.length ? { NextToken: String(from + limit) } : {} }
}
