// `npm run test:aws`, second half: the emulator's program, unless the tests are to run elsewhere, then the tests that need
// AWS or something like it (vitest.aws.config.ts).
import { runApart } from '../../../local/test-setup/apart.ts'
import { conclude, preparePython } from '../conformance.ts'

const { AWS_ENDPOINT_URL, TERRACE_TEST_ACCOUNT } = process.env

/** What the caller's own AWS account is reached by must not reach the tests, unless it is named. */
function environment(): NodeJS.ProcessEnv {
  if (TERRACE_TEST_ACCOUNT) return process.env
  const kept = Object.entries(process.env).filter(([name]) => !/^AWS_/.test(name))
  return { ...Object.fromEntries(kept), ...(AWS_ENDPOINT_URL && { AWS_ENDPOINT_URL }) }
}

await conclude(async () => {
  if (!AWS_ENDPOINT_URL && !TERRACE_TEST_ACCOUNT) await preparePython((line) => console.log(line))
  return await runApart('vitest.aws.config.ts', process.argv.slice(2), environment())
})
