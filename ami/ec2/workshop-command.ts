// The workshop as a program: node workshop-command.ts ORDERS FOLDER (a file with their address, which goes; a folder for disks), on an instance that is gone when it ends.
import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { explain } from '../../local/problem.ts'
import { localBuilder } from '../bake/local-builder.ts'
import { pagesHere } from '../bake/pages.ts'
import { httpWire } from './wire.ts'
import { work } from './workshop.ts'

const [file = '', folder = ''] = process.argv.slice(2)
const clock = {
  now: () => new Date(performance.timeOrigin + performance.now()),
  sleep: (ms: number) => sleep(ms),
}
const say = (line: string) => process.stdout.write(`terrace-builder: ${line}\n`)
try {
  const orders = readFileSync(file, 'utf8').trim()
  // Whoever has it may read what this machine is told: nothing that it starts has any business with it.
  rmSync(file)
  await work({ builder: localBuilder, pages: pagesHere, wire: httpWire(clock), clock, folder, orders, say })
} catch (error) {
  say(explain(error))
  process.exitCode = 1
}
