// `npm run test:s3`, second half: the S3 server's program, then the tests that need one (vitest.s3.config.ts). They
// start and end their servers themselves; whatever were left running is ended here and counts as a failure.
import { generateClient } from '../generate.ts'
import { setupLock } from '../install.mjs'
import { explain } from '../problem.ts'
import { runApart } from '../test-setup/apart.ts'
import { seaweedBinary } from './server-binary.ts'

async function setUp(): Promise<string> {
  const release = await setupLock()
  try {
    await generateClient()
    return await seaweedBinary((line) => console.log(line))
  } finally {
    release()
  }
}

/** What the caller's own Terrace and AWS account use must not reach the tests. */
function environment(weed: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:AWS_|DATABASE_|STORAGE$|TERRACE_HOME$|MODELS$|PUBLIC_URL$|NODE_ENV$)/.test(name),
  )
  return { ...Object.fromEntries(kept), WEED: weed }
}

try {
  const weed = await setUp()
  process.exitCode = await runApart('vitest.s3.config.ts', process.argv.slice(2), environment(weed))
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
