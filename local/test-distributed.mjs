// `npm run test:distributed`, first half: packages and Node 24, then opensearch/test-run.ts. Arguments go to vitest.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('local/opensearch/test-run.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  process.exit(1)
})
