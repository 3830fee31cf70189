// Every template that this repository sends to AWS, by name, with sample images.
import { bootstrap } from '../../bootstrap/template.ts'
import type { Template } from '../../cfn.ts'
import { SAMPLE_SEARCH, sample } from '../../samples.ts'
import { STAGE_NAMES, STAGES } from '../../stages.ts'

const { account, region, zones } = STAGES.prod

export function templates(): ReadonlyMap<string, Template> {
  const settings = {
    account,
    region,
    zones,
    alertEmail: 'terrace-operators@example.com',
    budget: 1_000,
    ci: 'example/terrace',
  }
  return new Map([
    ['bootstrap', bootstrap(settings, false)],
    ...STAGE_NAMES.flatMap((name): [string, Template][] => [
      [name, sample(name).template],
      [`${name} without servers`, sample(name, { fleet: 'none' }).template],
    ]),
    ['prod with everything', sample('prod', { search: SAMPLE_SEARCH, sessionManager: true }).template],
  ])
}
