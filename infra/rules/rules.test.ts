import { describe, expect, test } from 'vitest'
import { SAMPLE_IMAGES } from '../sample-images.ts'
import { SAMPLE_SEARCH, sample } from '../samples.ts'
import { STAGE_NAMES } from '../stages.ts'
import { ALARM_RULES } from './alarms.ts'
import { BALANCING_RULES } from './balancing.ts'
import { DATA_RULES } from './data.ts'
import { DATABASE_RULES } from './database.ts'
import { identityRules } from './identity.ts'
import { NETWORK_RULES } from './network.ts'
import { RECKONING_RULES } from './reckoning.ts'
import type { Draft } from './rule.ts'
import { SCALING_RULES } from './scaling.ts'
import { SEARCH_RULES } from './search.ts'
import { serverRules } from './servers.ts'
import { WATCH_RULES } from './watch.ts'
import { WATCHED_RULES } from './watched.ts'
import { WAYS_RULES } from './ways.ts'

const { bootSeconds } = SAMPLE_IMAGES
const RULES = [
  ...DATA_RULES,
  ...DATABASE_RULES,
  ...NETWORK_RULES,
  ...WAYS_RULES,
  ...BALANCING_RULES,
  ...identityRules,
  ...serverRules({ ApiGroup: bootSeconds.api, WebGroup: bootSeconds.web }),
  ...SCALING_RULES,
  ...ALARM_RULES,
  ...RECKONING_RULES,
  ...WATCH_RULES,
  ...WATCHED_RULES,
  ...SEARCH_RULES,
]

/** The stages of the table, and what else a stage can be. */
const VARIANTS = {
  ...Object.fromEntries(STAGE_NAMES.map((name) => [name, sample(name)])),
  'prod before its servers': sample('prod', { fleet: 'none' }),
  'prod with its web servers in private subnets': sample('prod', { webPlacement: 'private' }),
  'prod with a model of Bedrock': sample('prod', { bedrockModels: ['eu.meta.llama3-2-3b-instruct-v1:0'] }),
  'prod with sessions': sample('prod', { sessionManager: true }),
  'prod with a search domain': sample('prod', { search: SAMPLE_SEARCH }),
  'prod before its servers, with a search domain': sample('prod', { fleet: 'none', search: SAMPLE_SEARCH }),
  'prod with one NAT gateway': sample('prod', { nat: 'one' }),
}

describe.each(RULES)('$holds', ({ violations, breaks, in: besides }) => {
  test.each(Object.entries(VARIANTS))('in %s', (_name, { template, stage }) => {
    expect(violations(template, stage)).toEqual([])
  })

  test.each(Object.entries(breaks))('and not with: %s', (_name, breakIt) => {
    const { template, stage } = sample('prod', besides)
    const draft: Draft = JSON.parse(JSON.stringify(template))
    breakIt(draft)
    expect(violations(JSON.parse(JSON.stringify(draft)), stage)).not.toEqual([])
  })
})
