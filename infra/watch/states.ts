// One state for each tier: whether a person has to get up. It is made of the alarms of that tier, which tell by mail what
// exactly is wrong; only the states page. No suppressor: a page that a roll may hold back is none when the roll is what
// hurts (docs/decisions/0015-objectives.md).
import type { Alerts } from '../alerts.ts'
import type { Stack } from '../cfn.ts'
import { capital, type Tier } from '../environment.ts'
import { type Alarm, allOf, anyOf, inAlarm, type StateAlarm, stateAlarm } from './alarm.ts'
import type { DatabaseAlarms } from './database.ts'

const MEANING: Readonly<Record<Tier, string>> = {
  web: 'People can’t use Terrace, or get errors instead of pages.',
  api: 'People get no answers, or too late.',
}

/**
 * @param zones of each zone, or of the tier: that it has no server
 * @param failures what people notice, each by itself
 */
export function tierState(
  stack: Stack,
  tier: Tier,
  zones: readonly Alarm[],
  failures: readonly (Alarm | StateAlarm)[],
  { page }: Alerts,
): StateAlarm {
  // One empty zone is told by mail: the other one carries everything.
  const gone = allOf(...zones.map(inAlarm))
  const condition = anyOf(gone, ...failures.map(inAlarm))
  return stateAlarm(stack, `${capital(tier)}State`, page, MEANING[tier], 'states', condition)
}

/** Slow is told by mail; this is what stops everything if nobody comes. RDS that is not there is all of them. */
export function databaseState(
  stack: Stack,
  { storage, memory, connections }: DatabaseAlarms,
  { page }: Alerts,
): StateAlarm {
  const meaning = 'The database stops, or is about to: nothing works without it.'
  const condition = anyOf(...[storage, memory, connections].map(inAlarm))
  return stateAlarm(stack, 'DatabaseState', page, meaning, 'states', condition)
}
