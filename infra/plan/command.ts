// `npm run plan -- --stage prod [--param images=candidate] [--param fleet=none] [--against TEMPLATE.json | --deployed]`
// Exit code 2: something that holds data would be replaced, removed or laid open.
import { plan } from './plan.ts'

process.exitCode = await plan(process.argv.slice(2), {
  connect: async (to) => (await import('../../aws/connect.ts')).connect(to),
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
})
