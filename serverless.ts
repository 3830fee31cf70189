// The AWS stack, for `npx serverless`: `package --stage prod --param images=live` writes the template, without AWS.
// What it is made of: infra/stack.ts; what differs between stages: infra/stages.ts.
import { UnusableImages } from './infra/images.ts'
import { service } from './infra/service.ts'
import { InvalidStage } from './infra/stages.ts'

function described() {
  try {
    return service(process.argv.slice(2))
  } catch (error) {
    // Something for a person to settle, said in words: the framework would print the stack instead of them.
    if (error instanceof InvalidStage || error instanceof UnusableImages) error.stack = error.message
    throw error
  }
}

export default described()
