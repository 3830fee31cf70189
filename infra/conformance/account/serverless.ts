// The service as serverless.ts describes it, in another account than the stage table's, and without types that the
// emulator refuses: `serverless … --param account=N [--param refused=out]`, called in this folder.
import type { Template } from '../../cfn.ts'
import { service } from '../../service.ts'
import { isRefused, without } from './ministack-limits.ts'
import { inAccount } from './table.ts'

const args = process.argv.slice(2)
const param = (name: string) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)

const described = service(args, inAccount(param('account') ?? ''))

export default param('refused') === 'out'
  ? { ...described, resources: without(described.resources as Template, isRefused) }
  : described
