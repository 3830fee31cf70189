// What pages say of alarms: whoever looks for one by the name that a page gives it finds it.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { INSTANCE_TYPES } from '../instance-types.ts'
import { ofType } from '../reading.ts'
import { SAMPLE_SEARCH, sample } from '../samples.ts'
import { architectureOf, STAGES } from '../stages.ts'

const FOLDER = path.join(import.meta.dirname, '../../docs/runbooks')
const PAGES = readdirSync(FOLDER).map(
  (name) => [name, readFileSync(path.join(FOLDER, name), 'utf8')] as const,
)

const alarms = (...templates: ReturnType<typeof sample>['template'][]) =>
  templates.flatMap((template) =>
    ['AWS::CloudWatch::Alarm', 'AWS::CloudWatch::CompositeAlarm', 'AWS::RDS::EventSubscription'].flatMap(
      (type) => ofType(template, type).map(([id]) => id),
    ),
  )
const KNOWN = new Set(alarms(sample('prod', { search: SAMPLE_SEARCH }).template, sample('dev').template))
/** How an alarm's name begins. Outputs of the stack are called alike. */
const NAME =
  /`((?:Web|Api|Database|Nat|Search|Requests|Answers|FirstTokens|Balancer|Certificate)[A-Z][A-Za-z]+)`/g
const OUTPUTS = Object.keys(sample('prod').template.Outputs)

test.for(PAGES)('%s names alarms that there are', ([, text]) => {
  const names = [...text.matchAll(NAME)].map(([, name = '']) => name)
  expect(names.filter((name) => !KNOWN.has(name) && !OUTPUTS.includes(name))).toEqual([])
})

test.for(PAGES)('%s links to pages that there are', ([, text]) => {
  const links = [...text.matchAll(/\]\(([a-z-]+\.md)\)/g)].map(([, name = '']) => name)
  expect(links.filter((name) => !PAGES.some(([known]) => known === name))).toEqual([])
})

/** `r7i`, or `m7i.large`: families of servers, not those of databases (`db.…`). */
const FAMILY = /`([a-z]\d[a-z]{1,2})(?:\.\w+)?`/g
const OURS = Object.entries(INSTANCE_TYPES).map(([name, { architecture }]) => ({
  family: name.split('.')[0],
  architecture,
}))

test.for(PAGES)('%s advises instance types that a stage takes as it is', ([, text]) => {
  const refused = [...text.matchAll(FAMILY)]
    .map(([, family]) => family)
    .filter(
      (family) =>
        !OURS.some((one) => one.family === family && one.architecture === architectureOf(STAGES.prod)),
    )
  expect(refused).toEqual([])
})
