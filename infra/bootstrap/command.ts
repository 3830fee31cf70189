// `npm run bootstrap -- --account … --region … --alert-email … --budget … [--ci github:OWNER/REPO] [--yes]`
// `--print-policy` and `--template` write one JSON document and ask AWS nothing.
// Exit code 1: something is in the way, said in words; 3: nobody agreed.
import { connect } from '../../aws/connect.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { typed, Unasked } from '../ask.ts'
import { BlockedChange, StackFailure } from '../release/failure.ts'
import { bringBootstrap, report } from './bootstrap.ts'
import { runnerPolicy } from './runner-rights.ts'
import { InvalidSettings, readSettings } from './settings.ts'
import { bootstrap } from './template.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)
const print = (document: object) => say(JSON.stringify(document, null, 2))

try {
  const { settings, yes, profile, mode } = readSettings(process.argv.slice(2))
  const template = bootstrap(settings, false)
  const policy = runnerPolicy(settings, template)
  if (mode === 'print-policy') print(policy)
  else if (mode === 'template') print(template)
  else {
    say('The rights that this needs, and no others:')
    print(policy)
    const aws = connect({ region: settings.region, profile })
    const outcome = await bringBootstrap(aws, settings, {
      say,
      agrees: async () => yes || (await typed(`Type ${settings.account} to do this: `, settings.account)),
    })
    if (outcome === 'nothing') say('Everything is as it should be.')
    if (outcome === 'declined') process.exitCode = 3
    else for (const line of await report(aws, settings)) say(line)
  }
} catch (error) {
  const known =
    error instanceof InvalidSettings ||
    error instanceof AwsProblem ||
    error instanceof StackFailure ||
    error instanceof BlockedChange ||
    error instanceof Unasked
  if (!known) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
