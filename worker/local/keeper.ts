// Stands between workerd and whoever wants it: workerd does not notice that its parent is gone, this process does, even
// after a SIGKILL, because its stdin ends. Then it ends workerd.
//   node keeper.ts PROGRAM ARGS…   (stdout, stderr and descriptor 3 are the program's; its pid is said on 3 first)
import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'

const [program = '', ...args] = process.argv.slice(2)
const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 3] })
if (child.pid !== undefined) writeSync(3, `{"event":"started","pid":${child.pid}}\n`)
child.once('error', (error) => {
  console.error(error.message)
  process.exit(127)
})
child.once('exit', (code) => process.exit(code ?? 1))
process.stdin.resume().once('end', () => child.kill('SIGKILL'))
// The terminal's Ctrl-C reaches everybody: whoever wants workerd decides.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
