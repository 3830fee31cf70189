// `npm test`: installs the packages when that is needed, then hands over to test-run.ts under Node 24.
// Runs on any Node from 20.19 and needs no package itself. Arguments go to vitest: `npm test -- local/zip`.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('local/test-run.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  // The line that CI reads, whatever happens.
  console.log('0 passed, 1 failed, 0 skipped')
  process.exit(1)
})
