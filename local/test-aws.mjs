// `npm run test:aws`, first half: packages and Node 24, then infra/conformance/account/test-run.ts. Arguments go to vitest.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('infra/conformance/account/test-run.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  process.exit(1)
})
