// For what somebody is woken, and for what not.
import { expect, test } from 'vitest'
import { sample } from '../samples.ts'
import { statesOn } from './evaluation.ts'

const prod = sample('prod').template
const dev = sample('dev').template
const before = sample('prod', { fleet: 'none' }).template
const paging = (template: typeof prod, ...on: string[]) =>
  statesOn(template, on).filter((id) => id.endsWith('State'))

test.for([
  ['nothing', prod, [], []],
  ['one zone is empty', prod, ['ApiNoHealthyHostA', 'WebNoHealthyHostA'], []],
  ['a zone of each tier, not the same', prod, ['ApiNoHealthyHostA', 'WebNoHealthyHostB'], []],
  ['no API server', prod, ['ApiNoHealthyHostA', 'ApiNoHealthyHostB'], ['ApiState']],
  ['no web server', prod, ['WebNoHealthyHostA', 'WebNoHealthyHostB'], ['WebState']],
  ['some errors', prod, ['ApiErrors', 'WebErrors', 'BalancerErrors'], []],
  ['requests fail fast', prod, ['RequestsFastLong', 'RequestsFastShort'], ['WebState']],
  ['they did', prod, ['RequestsFastLong', 'RequestsSteadyLong'], []],
  ['a window of one pace, one of the other', prod, ['RequestsFastLong', 'RequestsSteadyShort'], []],
  ['answers fail steadily', prod, ['AnswersSteadyLong', 'AnswersSteadyShort'], ['ApiState']],
  ['answers fail slowly', prod, ['AnswersSlow', 'ApiAnswersFailing'], []],
  ['answers begin late', prod, ['FirstTokensFastLong', 'FirstTokensFastShort'], ['ApiState']],
  ['a roll', prod, ['ApiUnready', 'WebUnready'], []],
  [
    'what waits until the morning',
    prod,
    ['ApiImageAge', 'ApiDeadLetters', 'ApiIngestQueueAge', 'WebDisk'],
    [],
  ],
  ['a slow database, a replica that lags', prod, ['DatabaseCpu', 'DatabaseReplicaLag'], []],
  ['the database’s disk', prod, ['DatabaseStorage'], ['DatabaseState']],
  ['the database’s memory', prod, ['DatabaseMemory'], ['DatabaseState']],
  ['its connections', prod, ['DatabaseConnections'], ['DatabaseState']],
  ['the database, before servers', before, ['DatabaseStorage'], ['DatabaseState']],
  ['no server, where there is one', dev, ['ApiNoHealthyHost'], ['ApiState']],
  ['errors, where nothing is promised', dev, ['ApiErrors', 'BalancerErrors'], ['ApiState', 'WebState']],
] as const)('%s', ([, template, on, expected]) => {
  expect(paging(template, ...on)).toEqual(expected)
})

test('what is reckoned tells by mail before it pages', () => {
  expect(statesOn(prod, ['AnswersFastLong', 'AnswersFastShort'])).toEqual(['AnswersBurn', 'ApiState'])
})
