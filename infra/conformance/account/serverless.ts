// The service as serverless.ts describes it, in another account than the stage table's, and without types that the
// emulator refuses: `serverless … --param account=N [--param refused=out]`, called in this folder.
import type { Template } from '../../cfn.ts'
import { service } from '../../service.ts'
import { isRefused, without } from './ministack-limits.ts'
import { inAccount } from './table.ts'

const args = process.argv.slice(2)
const param = (name: string) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)

// These two are this file's, and none of the service's.
const isOwn = (arg = '') => /^(account|refused)=/.test(arg)
const rest = args.filter((arg, index) => !isOwn(arg) && !(arg === '--param' && isOwn(args[index + 1])))

const described = service(rest, inAccount(param('account') ?? ''))

export default param('refused') === 'out'
  ? { ...described, resources: without(described.resources as Template, isRefused) }
  : described
