// What a change keeps but opens, or keeps for less long: data is lost that way, too. By what lets others come to it,
// policies (readers.ts), security groups (doors.ts) and entrances (entrances.ts), by a setting that kept it safe
// (guard-table.ts), or by what no longer tells of it (silenced.ts).
import type { Template } from '../cfn.ts'
import { doorsOpened } from './doors.ts'
import { unencryptedEntrances } from './entrances.ts'
import { guardsLost } from './guard-table.ts'
import { readersAdded } from './readers.ts'
import { silenced } from './silenced.ts'

const WAYS = [guardsLost, doorsOpened, readersAdded, unencryptedEntrances, silenced]

/**
 * What comes to be open in a stack that is there, by the ids of what opens it. Of a new one nothing is laid open: it holds
 * nothing yet.
 */
export function openedBy(before: Template, after: Template): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  if (Object.keys(before.Resources).length === 0) return found
  for (const [id, reason] of WAYS.flatMap((way) => way(before, after))) {
    const known = found.get(id) ?? []
    if (!known.includes(reason)) found.set(id, [...known, reason])
  }
  return found
}
