// `npm run test:images`, first half: packages and Node 24, then ami/local/test-run.ts. Arguments go to vitest.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('ami/local/test-run.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  process.exit(1)
})
