// `npm run bench -- NAME [options]`: runs bench/NAME.ts on the runtime that the repository installs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'

const folder = import.meta.dirname
const [name, ...options] = process.argv.slice(2)
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== 'harness.ts')
  .map((file) => file.slice(0, -3))
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME\nNAME is one of: ${names.join(', ')}`)
  process.exit(2)
}
const installed = path.join(folder, '../node_modules/.bin/node')
const runtime = existsSync(installed) ? installed : process.execPath
const { status } = spawnSync(runtime, [path.join(folder, `${name}.ts`), ...options], { stdio: 'inherit' })
process.exit(status ?? 1)
