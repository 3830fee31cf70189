// `npm run test:images`, second half: what the tests need of this machine, then the tests that build and boot images
// (vitest.images.config.ts). They end what they have started; whatever were left running is ended here and counts as a failure.
import { generateClient } from '../../local/generate.ts'
import { setupLock } from '../../local/install.mjs'
import { explain } from '../../local/problem.ts'
import { runApart } from '../../local/test-setup/apart.ts'
import { needRoot, needTools } from './host.ts'

/** What the caller's own Terrace and AWS account use must not reach the tests. */
const OF_THE_CALLER = /^(?:AWS_|DATABASE_|STORAGE$|TERRACE_HOME$|MODELS$|PUBLIC_URL$|NODE_ENV$)/

try {
  needRoot()
  await needTools('mmdebstrap', 'debian-archive-keyring', 'systemd-container', 'iproute2')
  const release = await setupLock()
  try {
    await generateClient()
  } finally {
    release()
  }
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THE_CALLER.test(name)))
  process.exitCode = await runApart('vitest.images.config.ts', process.argv.slice(2), env)
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
