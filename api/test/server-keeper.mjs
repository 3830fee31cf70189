// Holds a server for tests: when whoever started this is gone, however that came, so are the server and its folder.
//   node server-keeper.mjs FOLDER COMMAND…      says the server's pid on stdout; ends when its stdin ends
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'

const [folder, command, ...args] = process.argv.slice(2)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
const server = spawn(command, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
const gone = new Promise((resolve) => server.once('exit', resolve).once('error', resolve))
let over = false
gone.then((why) => {
  if (!over) console.error(`the server ended: ${why}`)
})
console.log(String(server.pid))
process.stdin.on('error', () => {}).resume()
await new Promise((resolve) => process.stdin.once('close', resolve))
over = true
server.kill('SIGKILL')
await gone
rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
