// `npm run bake:retain -- --account 12-DIGITS --region REGION [--keep N] [--days N] [--remove] [--yes] [--profile NAME]`
// Shows which image sets nobody needs any more, and what bakes have left beside their records; with --remove it also removes that. Exit code 1: said in words; 3: nobody agreed.
import { parseArgs } from 'node:util'
import { connect } from '../../aws/connect.ts'
import { typed } from '../../infra/ask.ts'
import { told } from '../../infra/told.ts'
import { BakeFailure } from './failure.ts'
import { readHome } from './home.ts'
import { retain } from './retain.ts'

const DECLINED = 3
const USAGE =
  'npm run bake:retain -- --account 12-DIGITS --region REGION [--keep 5] [--days 14] [--remove] [--yes] [--profile NAME]'

const OPTIONS = {
  account: { type: 'string' },
  region: { type: 'string' },
  keep: { type: 'string', default: '5' },
  days: { type: 'string', default: '14' },
  remove: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  profile: { type: 'string' },
} as const
const refuse = (what: string, cause?: unknown) => new BakeFailure(`${what}\n${USAGE}`, { cause })

function readArguments() {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']
  try {
    ;({ values } = parseArgs({ options: OPTIONS }))
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : '', cause)
  }
  // The one that runs, and the one to go back to.
  const keep = wholeNumber('--keep', values.keep, 2)
  // As long as a bake's own tags say that somebody may go on with it.
  const days = wholeNumber('--days', values.days, 4)
  return {
    home: readHome(values, refuse),
    keep,
    days,
    removes: values.remove,
    yes: values.yes,
    profile: values.profile,
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  if (/^\d{1,4}$/.test(text) && Number(text) >= least) return Number(text)
  throw refuse(`${name} ${text}: a whole number, at least ${least}.`)
}

async function run(): Promise<number> {
  const { home, keep, days, removes, yes, profile } = readArguments()
  const { outcome } = await retain(connect({ region: home.region, profile }), home, {
    ...{ keep, days, removes },
    agrees: async ({ sets, parts }) =>
      yes ||
      (await typed(
        `Type ${home.account} to remove these ${sets.length} image sets and ${parts.length} objects beside them: `,
        home.account,
      )),
    say: (line) => process.stdout.write(`${line}\n`),
  })
  return outcome === 'declined' ? DECLINED : 0
}

process.exitCode = await told(run, (text) => process.stderr.write(text), undefined, [BakeFailure])
