// First half of the workshop on a bake's instance: packages and Node 24, then ami/ec2/workshop-command.ts. Arguments are its.
import { SetupError } from './install.mjs'
import { runWithPackages } from './with-packages.mjs'

runWithPackages('ami/ec2/workshop-command.ts', process.argv.slice(2)).catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  process.exit(1)
})
