// `npm run bake -- --builder local|ec2 --tier api|web|all …` (arguments.ts). Exit code 1: said in words; 130: it was ended.
import { mkdirSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { connect, isElsewhere } from '../../aws/connect.ts'
import type { Aws } from '../../aws/port.ts'
import { presigner } from '../../aws/presign.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { ROOT } from '../../local/install.mjs'
import { explain } from '../../local/problem.ts'
import { perform } from '../../local/steps.ts'
import { ec2Builder, pagesOf } from '../ec2/builder.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { addressesByHttps, IMAGES } from '../local/host.ts'
import { removeOld } from '../local/kept.ts'
import { type BakeLine, readBakeLine } from './arguments.ts'
import { bake } from './bake.ts'
import { readCheckout } from './checkout.ts'
import { endable } from './ending.ts'
import { inspection } from './inspection.ts'
import { localBuilder } from './local-builder.ts'
import { pagesHere } from './pages.ts'
import type { Kitchen } from './work.ts'

const DISKS = path.join(IMAGES, 'bakes')
/** Sets whose disks are kept: the newest, and one that may still be uploaded. */
const KEPT = 2
// Not below .images/, which may be removed at any time: what a bake has made in an account is known here only.
const JOURNALS = path.join(ROOT, '.bakes')
const say = (line: string) => process.stdout.write(`${line}\n`)

const ending = endable((line) => process.stderr.write(`${line}\n`))
/** Who makes disks, and where the static files of their pages come from. */
function makers(
  { builder, home, profile }: BakeLine,
  aws: Aws | undefined,
): Pick<Kitchen, 'builder' | 'pages'> {
  if (builder === 'local' || home === undefined || aws === undefined)
    return { builder: localBuilder, pages: pagesHere }
  const building = {
    aws,
    presign: presigner({ region: home.region, profile }),
    home,
    addresses: addressesByHttps(),
    journals: JOURNALS,
    say,
    signal: ending.signal,
    root: ROOT,
    pages: pagesHere,
    kept: path.join(IMAGES, 'pages'),
    room: (folder: string) => {
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize
    },
  }
  return { builder: ec2Builder(building), pages: pagesOf(building) }
}

try {
  const line = readBakeLine(process.argv.slice(2), !isElsewhere('EC2'))
  const { home, profile } = line
  const aws = home && connect({ region: home.region, profile })
  const baked = await bake(line, {
    checkout: () => readCheckout(ROOT),
    ...makers(line, aws),
    inspection,
    aws,
    disks: DISKS,
    journals: JOURNALS,
    now: () => new Date(),
    say,
    perform,
    signal: ending.signal,
  })
  mkdirSync(DISKS, { recursive: true })
  removeOld(DISKS, KEPT)
  if (baked.outcome === 'set') {
    const { set, made } = baked
    const ids = Object.entries(set.regions).map(
      ([region, { api, web }]) => `${region}: api ${api}, web ${web}`,
    )
    say(`${made ? 'Recorded' : 'Nothing was made'}: image set ${set.inputs}\n${ids.join('\n')}`)
  }
} catch (error) {
  const inWords = error instanceof BakeFailure || error instanceof AwsProblem
  // What failed because its program was ended says nothing.
  const said = ending.signal.aborted ? 'The bake was ended.' : explain(error)
  process.stderr.write(`${inWords ? error.message : said}\n`)
  process.exitCode = ending.signal.aborted ? 130 : 1
} finally {
  ending.done()
}
