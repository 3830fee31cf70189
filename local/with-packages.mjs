// Runs one of our TypeScript programs once its packages are there, on the Node 24 that is one of them.
// Plain JavaScript without dependencies, like install.mjs.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { checkMachine, installPackages, node24, ROOT, setupLock } from './install.mjs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Ends this process with the program's exit code. `script` is below the checkout. @throws SetupError */
export async function runWithPackages(script, args) {
  for (const signal of SIGNALS) process.on(signal, () => process.exit(130))
  checkMachine()
  const release = await setupLock()
  try {
    await installPackages()
  } finally {
    release()
  }
  const child = spawn(node24(), [path.join(ROOT, script), ...args], { stdio: 'inherit' })
  for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, () => child.kill(signal))
  child.on('exit', (code) => process.exit(code ?? 1))
}
