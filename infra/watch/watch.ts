// What watches a stage: alarms by what they look at (ways in and out, database, tiers, what servers measure of
// themselves), objectives, and one state for each tier that wakes a person.
// Before there are servers, nothing is here that only servers can keep quiet.
import type { Alerts } from '../alerts.ts'
import type { Balancing } from '../balancing.ts'
import type { Stack } from '../cfn.ts'
import type { Database } from '../database.ts'
import { TIERS, type Tier } from '../environment.ts'
import type { Groups } from '../fleet.ts'
import type { Network } from '../network.ts'
import type { Search } from '../search.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import type { Alarm, StateAlarm } from './alarm.ts'
import { applicationAlarms } from './application.ts'
import { databaseAlarms } from './database.ts'
import { type Objective, objectiveAlarms, objectives } from './objectives.ts'
import { searchAlarms } from './search.ts'
import { databaseState, tierState } from './states.ts'
import { type RollAlarms, tierAlarms } from './tiers.ts'
import { certificateAlarms, entranceAlarms, natAlarms } from './ways.ts'

export interface Watched {
  /** What wakes a person. */
  readonly states: readonly StateAlarm[]
  /** What tells by itself, the most urgent first. */
  readonly alarms: readonly (Alarm | StateAlarm)[]
  readonly objectives: readonly Objective[]
}

export function watch(
  stack: Stack,
  name: StageName,
  stage: Stage,
  parts: {
    readonly network: Network
    readonly balancing: Balancing
    readonly database: Database
    readonly search: Search | undefined
    /** Undefined before there are servers. */
    readonly servers:
      | { readonly groups: Groups; readonly rolls: Readonly<Record<Tier, RollAlarms>> }
      | undefined
    readonly alerts: Alerts
  },
): Watched {
  const { network, balancing, database, search, servers, alerts } = parts
  const onDatabase = databaseAlarms(stack, stage, database, alerts)
  const always = [
    ...natAlarms(stack, network, alerts),
    ...certificateAlarms(stack, balancing.certificate, alerts),
    ...searchAlarms(stack, stage, search, alerts),
  ]
  const ofDatabase = databaseState(stack, onDatabase, alerts)
  if (servers === undefined)
    return { states: [ofDatabase], alarms: [...Object.values(onDatabase), ...always], objectives: [] }

  const { groups, rolls } = servers
  // A promise is made where people rely on it.
  const promised = stage.isProtected ? objectives(name, balancing.web) : []
  const burns = promised.map((one) => objectiveAlarms(stack, one, alerts))
  const entrance = entranceAlarms(stack, balancing.web, alerts)
  const tiers = TIERS.map((tier) => {
    const { zones, others } = tierAlarms(stack, stage, tier, groups[tier], network, balancing[tier], alerts)
    const own = applicationAlarms(stack, name, tier, groups[tier], alerts)
    const { errors, unready } = rolls[tier]
    const counted = [errors, ...(tier === 'web' ? entrance : [])]
    const state = tierState(
      stack,
      tier,
      zones,
      burns.length > 0 ? burns.filter((burn) => burn.tier === tier).map(({ page }) => page) : counted,
      alerts,
    )
    return { state, alarms: [errors, unready, ...zones, ...others, ...own] }
  })
  return {
    states: [...tiers.map(({ state }) => state), ofDatabase],
    alarms: [
      ...burns.flatMap(({ page, ticket }) => [page, ticket]),
      ...tiers.flatMap(({ alarms }) => alarms),
      ...entrance,
      ...Object.values(onDatabase),
      ...always,
    ],
    objectives: promised,
  }
}
