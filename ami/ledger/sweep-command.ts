// `npm run bake:sweep -- --account 12-DIGITS --region REGION [--remove] [--yes] [--profile NAME]`
// Shows what bakes have left; with --remove it also removes it. Exit code 1: said in words; 3: nobody agreed.
import { parseArgs } from 'node:util'
import { connect } from '../../aws/connect.ts'
import { typed } from '../../infra/ask.ts'
import { told } from '../../infra/told.ts'
import { BakeFailure } from './failure.ts'
import { readHome } from './home.ts'
import { sweep } from './sweep.ts'

const DECLINED = 3
const USAGE = 'npm run bake:sweep -- --account 12-DIGITS --region REGION [--remove] [--yes] [--profile NAME]'

function readArguments() {
  const options = {
    account: { type: 'string' },
    region: { type: 'string' },
    remove: { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
    profile: { type: 'string' },
  } as const
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values']
  try {
    ;({ values } = parseArgs({ options }))
  } catch (cause) {
    throw new BakeFailure(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
  const refuse = (what: string) => new BakeFailure(`${what}\n${USAGE}`)
  return { home: readHome(values, refuse), removes: values.remove, yes: values.yes, profile: values.profile }
}

async function run(): Promise<number> {
  const { home, removes, yes, profile } = readArguments()
  const { outcome } = await sweep(connect({ region: home.region, profile }), home, {
    removes,
    agrees: async (what) =>
      yes || (await typed(`Type ${home.account} to remove these ${what.length}: `, home.account)),
    say: (line) => process.stdout.write(`${line}\n`),
  })
  return outcome === 'declined' ? DECLINED : 0
}

process.exitCode = await told(run, (text) => process.stderr.write(text), undefined, [BakeFailure])
