// `npm run lint:aws`, first half: packages and Node 24, then infra/conformance/lint/command.ts.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('infra/conformance/lint/command.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  process.exit(1)
})
