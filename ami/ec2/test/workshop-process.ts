// The workshop as a process of its own, over HTTP, with a builder of a few bytes: `node workshop-process.ts ORDERS FOLDER`, as its
// command is started.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { builderOf, pagesOf } from '../../bake/test/kitchen.ts'
import { httpWire } from '../wire.ts'
import { work } from '../workshop.ts'
import { withSbom } from './far-workshop.ts'

const [orders = '', folder = ''] = process.argv.slice(2)
const clock = { now: () => new Date(), sleep: (ms: number) => sleep(Math.min(ms, 100)) }
const say = (line: string) => process.stdout.write(`terrace-builder: ${line}\n`)
await work({
  builder: withSbom(builderOf((what) => say(`begins ${what}`))),
  pages: pagesOf(path.dirname(folder), () => 'one'),
  wire: httpWire(clock),
  clock,
  folder,
  orders: readFileSync(orders, 'utf8').trim(),
  say,
})
