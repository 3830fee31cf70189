// `npm run bench -- NAME [options]`: runs bench/NAME.ts on the runtime that the repository installs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const folder = import.meta.dirname
const [name, ...options] = process.argv.slice(2)
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== 'harness.ts')
  .map((file) => file.slice(0, -3))
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME\nNAME is one of: ${names.join(', ')}`)
  process.exit(2)
}
// One minute's average takes longer than that to forget what ran before; a busy machine is not waited for for ever.
const idleBy = Date.now() + 5 * 60_000
for (let said = false; (loadavg()[0] ?? 0) > 0.3 && Date.now() < idleBy; said = true) {
  if (!said) console.log(`load ${loadavg()[0]?.toFixed(2)}: waiting for the machine to be idle`)
  await sleep(5_000)
}
const installed = path.join(folder, '../node_modules/.bin/node')
const runtime = existsSync(installed) ? installed : process.execPath
const { status } = spawnSync(runtime, [path.join(folder, `${name}.ts`), ...options], { stdio: 'inherit' })
process.exit(status ?? 1)
