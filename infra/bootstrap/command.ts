// `npm run bootstrap -- --account … --region … --alert-email … --budget … [--ci github:OWNER/REPO] [--yes]`
// `--print-policy` and `--template` write one JSON document and ask AWS nothing.
// Exit code 1: something is in the way, said in words; 2: something would be made anew or lost; 3: nobody agreed.
import { connect } from '../../aws/connect.ts'
import { typed } from '../ask.ts'
import { printable } from '../plain-text.ts'
import { told } from '../told.ts'
import { bringBootstrap, report } from './bootstrap.ts'
import { runnerPolicy } from './runner-rights.ts'
import { readSettings } from './settings.ts'
import { bootstrap } from './template.ts'

const DECLINED = 3
const say = (line: string) => process.stdout.write(`${printable(line)}\n`)
const print = (document: object) => say(JSON.stringify(document, null, 2))

async function run(): Promise<number> {
  const { settings, yes, profile, mode } = readSettings(process.argv.slice(2))
  const template = bootstrap(settings, false)
  const policy = runnerPolicy(settings, template)
  if (mode === 'print-policy') print(policy)
  if (mode === 'template') print(template)
  if (mode !== 'apply') return 0
  say('The rights that this needs, and no others:')
  print(policy)
  const aws = connect({ region: settings.region, profile })
  const outcome = await bringBootstrap(aws, settings, {
    say,
    agrees: async () => yes || (await typed(`Type ${settings.account} to do this: `, settings.account)),
  })
  if (outcome === 'nothing') say('Everything is as it should be.')
  if (outcome === 'declined') return DECLINED
  for (const line of await report(aws, settings)) say(line)
  return 0
}

process.exitCode = await told(run, (text) => process.stderr.write(text))
