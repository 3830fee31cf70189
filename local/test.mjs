// `npm test`: installs the packages when that is needed, then hands over to test-run.ts under Node 24.
// Runs on any Node from 20.19 and needs no package itself. Arguments go to vitest: `npm test -- local/zip`.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { checkMachine, installPackages, node24, ROOT, SetupError, setupLock } from './install.mjs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

async function main() {
  for (const signal of SIGNALS) process.on(signal, () => process.exit(130))
  checkMachine()
  const release = await setupLock()
  try {
    await installPackages()
  } finally {
    release()
  }
  const child = spawn(node24(), [path.join(ROOT, 'local/test-run.ts'), ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, () => child.kill(signal))
  child.on('exit', (code) => process.exit(code ?? 1))
}

main().catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  // The line that CI reads, whatever happens.
  console.log('0 passed, 1 failed, 0 skipped')
  process.exit(1)
})
