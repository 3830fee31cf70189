// Settings that keep what is there safe, each of which an update can take away while everything goes on as before. What
// they are is a table (guard-table.ts); here is how one is read and when it is lost.
import type { Template, TemplateResource } from '../cfn.ts'
import { at, list, property, refersTo } from '../reading.ts'
import { canonical } from './mentions.ts'

/** Where a setting stands in a resource: `A.0.B`, or `Attributes[key]` in a list of keys and values. */
type Place = string
/** Whether what is said now says less than what was said before. */
export type Lost = (was: unknown, is: unknown) => boolean
export type Guard = readonly [place: Place, lost: Lost, means: string]

/** Lost when it was this, and is not any more. */
export const stays =
  (value: unknown): Lost =>
  (was, is) =>
    same(was, value) && !same(is, value)
/** Lost when it was not this, and is now. */
export const never =
  (value: unknown): Lost =>
  (was, is) =>
    !same(was, value) && same(is, value)
/** Lost when something of the list is not in it any more. */
export const keepsAll: Lost = (was, is) => {
  const rest = list(is).map(canonical)
  return !list(was).every((one) => rest.includes(canonical(one)))
}
/** Lost when nothing is left of it. */
export const keepsSome: Lost = (was, is) => list(was).length > 0 && list(is).length === 0
/** Lost when it was said, and is not any more. */
export const isSaid: Lost = (was, is) => was !== undefined && is === undefined
/** Lost when it was said, and is anything else now. */
export const isUnchanged: Lost = (was, is) => was !== undefined && canonical(was) !== canonical(is)
/** Lost when it is said, and something else, or nothing, was before. */
export const isNotNew: Lost = (was, is) => is !== undefined && canonical(was ?? '') !== canonical(is)
/** Lost when there is less of it. @param unsaid what AWS takes when nothing is said */
export const noLess =
  (unsaid: number): Lost =>
  (was, is) =>
    // What is no number may be anything.
    !(Number(is ?? unsaid) >= Number(was ?? unsaid)) && canonical(was) !== canonical(is)
/** Lost when it comes earlier in this order. @param unsaid what AWS takes when nothing is said */
export const noEarlierIn =
  (order: readonly string[], unsaid: string): Lost =>
  (was, is) =>
    order.indexOf(String(is ?? unsaid)) < order.indexOf(String(was ?? unsaid))

/** As CloudFormation sees it: `"1"` is `1`. */
const same = (a: unknown, b: unknown) => a !== undefined && String(a) === String(b)

/** What stands at a place, in a resource's properties. */
function read(properties: unknown, place: Place): unknown {
  const [, holder, key] = /^([^[]*)\[(.+)]$/.exec(place) ?? []
  if (holder === undefined || key === undefined) return at(properties, place)
  const found = holder === '' ? properties : at(properties, holder)
  // Parameters of a database are an object whose keys have dots in them.
  if (!Array.isArray(found)) return Object(found)[key]
  return at(
    found.find((entry) => at(entry, 'Key') === key),
    'Value',
  )
}

/** @returns what is lost from one to the other, in words */
export const lostOf = (guards: readonly Guard[], was: unknown, is: unknown): string[] =>
  guards
    .filter(([place, lost]) => lost(read(was, place), read(is, place)))
    .map(([place, , means]) => `${means}: ${/\[(.+)]$/.exec(place)?.[1] ?? place}`)

/** Resources that are in both, of the same type. */
export function inBoth(
  before: Template,
  after: Template,
): [id: string, was: TemplateResource, is: TemplateResource][] {
  return Object.entries(before.Resources).flatMap(([id, was]) => {
    const is = after.Resources[id]
    return is?.Type === was.Type ? [[id, was, is]] : []
  })
}

/** Parameters that a database runs with; undefined when they are not the template's. */
export const parametersOf = (template: Template, database: TemplateResource): unknown =>
  property(template.Resources[refersTo(property(database, 'DBParameterGroupName')) ?? ''], 'Parameters')
