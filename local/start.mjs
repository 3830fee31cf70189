// `npm start`: installs the packages when that is needed, then hands over to main.ts under Node 24.
// Runs on any Node from 20.19 and needs no package itself.
// This process only passes signals on; when it dies, main.ts notices (its IPC channel closes) and stops everything.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { checkMachine, installPackages, node24, ROOT, SetupError, setupLock } from './install.mjs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

async function main() {
  // Until main.ts runs there is nothing to stop in order; what is being installed ends with us.
  for (const signal of SIGNALS) process.on(signal, () => process.exit(130))
  checkMachine()
  const release = await setupLock()
  try {
    await installPackages()
  } finally {
    release()
  }
  const node = node24()
  if (node === null) throw new SetupError('Node 24 is missing. Remove node_modules and start again.')
  const child = spawn(node, [path.join(ROOT, 'local/main.ts'), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, () => child.kill(signal))
  watchParent(() => child.kill('SIGTERM'))
  child.on('error', (error) => {
    console.error(`Node 24 (${node}) does not start: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    // The children of a main.ts that was killed end by themselves: their stdin has closed.
    if (signal) console.error(`Terrace was ended by ${signal}; its processes stop by themselves.`)
    process.exit(code ?? 1)
  })
}

/** Under npm, whoever kills npm means us; a shell that ends under nohup does not. */
function watchParent(stop) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    stop()
  }, 1_000)
  timer.unref()
}

main().catch((error) => {
  console.error(error instanceof SetupError ? `\n${error.message}` : error)
  process.exit(1)
})
