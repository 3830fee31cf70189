// The builder on EC2: the local builder of this very commit, on an instance of its own (docs/decisions/0021-builder-on-ec2.md). What it
// makes comes here over the state bucket, piece by piece, is checked, and goes on as if it had been made here.
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { LAYOUT } from '../../infra/image-sets.ts'
import { errorCode, Problem } from '../../local/problem.ts'
import { sbomBeside } from '../bake/inspection.ts'
import type { Builder, DiskSize, Facts, Report } from '../bake/local-builder.ts'
import type { Pages } from '../bake/pages.ts'
import { staticOf } from '../image-set/static-files.ts'
import { BakeFailure } from '../ledger/failure.ts'
import type { Tier } from '../recipe/debian.ts'
import { SUITE } from '../recipe/debian.ts'
import { checksumOf } from '../upload/disk.ts'
import { newestDebian } from './debian-image.ts'
import { folderOf, getObject, putObject } from './mailbox.ts'
import { type Goods, goodsOf, MOST_PACKED, receiveFile, sendFile } from './parcels.ts'
import { type Rented, type Renting, rent, standOf, TYPES, VOLUME_GIB } from './rent.ts'
import { packSources } from './sources.ts'

export interface Ec2Building extends Renting {
  /** Folder of the checkout. */
  readonly root: string
  /** The pages of this machine's checkout. */
  readonly pages: Pages
  /** Where static files of pages are kept that came with a disk. */
  readonly kept: string
  /** Bytes that are free where a file is to be put. */
  readonly room: (folder: string) => number
}

/** USD for an hour of c7i.xlarge with 30 GiB of gp3 and a public address: list prices, us-east-1 (2026). */
const HOUR_USD = 0.19
/** Beside the disk that is fetched: the SBOM, the journal. */
const SPARE_BYTES = 256 * 2 ** 20

export function ec2Builder(building: Ec2Building): Builder {
  let rented: Rented | undefined
  const workshop = (): Rented => {
    if (rented === undefined) throw new Error('the builder was asked before its lists')
    return rented
  }
  return {
    where: `on an instance of account ${building.home.account} in ${building.home.region}`,

    async foresee() {
      const { id, name } = await newestDebian(building.aws)
      const { subnets, group } = await standOf(building)
      return planOf(building, `${name} (${id})`, subnets, group)
    },

    async lists(checkout) {
      if (checkout === undefined) throw new Error('the builder on EC2 is sent the checkout')
      rented ??= await rent(building, await packSources(building.root, checkout))
      const { lists, build } = await rented.ask('lists', {}, building.say)
      requireSamePages(build, building.pages.build())
      return lists
    },

    make: (tier, facts, _lists, file, report) => make(building, workshop(), tier, facts, file, report),

    async boot(disks, report, signal) {
      const files = Object.entries(disks) as [Tier, string][]
      const checksums: Partial<Record<Tier, string>> = {}
      for (const [tier, file] of files) checksums[tier] = await checksumOf(file)
      const asked = { disks: checksums }
      let booted = await workshop().ask('boot', asked, report, signal)
      if ('missing' in booted) {
        // Made by another machine, which an ended run had.
        for (const tier of booted.missing)
          await hand(building, workshop(), tier, disks[tier] ?? '', report, signal)
        booted = await workshop().ask('boot', asked, report, signal)
      }
      if ('missing' in booted)
        throw new BakeFailure(
          `The builder did not get the disk of ${booted.missing.join(' and ')}. Bake again.`,
        )
      return booted.seconds
    },

    async close() {
      const ending = rented
      rented = undefined
      await ending?.close()
    },
  }
}

const planOf = (
  { home, addresses: { mirrors } }: Ec2Building,
  image: string,
  subnets: readonly string[],
  group: string,
): string[] => [
  `An instance of account ${home.account} in ${home.region} makes and boots the images, and is gone then:`,
  `  of ${image}, ${TYPES.join(' or ')}, ${VOLUME_GIB} GiB, in ${subnets.join(' or ')}, with ${group}: nothing comes in, HTTPS goes out`,
  `  Debian ${SUITE} of ${mirrors.main ?? 'its own mirror'} and ${mirrors.security ?? 'its own mirror of security updates'}, by HTTPS`,
  `  about USD ${HOUR_USD.toFixed(2)} an hour, for half an hour; the disks come here over the state bucket, and are uploaded from here`,
  'Which packages Debian has now, and so which image set that would be, only the instance can say. None was started.',
]

/** What git ignores may lie among the pages' sources here, and not there. */
function requireSamePages(there: string, here: string): void {
  if (there === here) return
  throw new Problem(
    `The pages of this checkout are build ${here} here and ${there} on the builder: something that git ignores lies among their sources.`,
    'Look with git status --ignored web contract api/src/routers, remove it, or bake from a fresh clone.',
  )
}

async function make(
  building: Ec2Building,
  rented: Rented,
  tier: Tier,
  { release, madeAt, previous }: Facts,
  file: string,
  report: Report,
): Promise<DiskSize> {
  const carried = previous && {
    sha256: previous.sha256,
    at: await rented.readable(LAYOUT.staticFiles(previous.sha256)),
  }
  const told = { tier, release, madeAt, ...(carried && { previous: carried }) }
  const made = await rented.ask('make', told, report)
  requireRoom(building, file, made.allocatedBytes)
  const { goods } = made
  const keys = (name: string, { parcels }: Goods) =>
    parcels.map((_, index) => `${folderOf(rented.bake)}${tier}/${name}-${index}`)
  const places = {
    disk: keys('disk', goods.disk),
    sbom: keys('sbom', goods.sbom),
    pages: goods.pages && keys('pages', goods.pages),
  }
  const urls = (at: readonly string[]) => Promise.all(at.map((key) => rented.writable(key)))
  const to = {
    disk: await urls(places.disk),
    sbom: await urls(places.sbom),
    ...(places.pages && { pages: await urls(places.pages) }),
  }
  await rented.ask('send', { tier, to }, report)
  const fetched = (at: readonly string[], what: string) => async (index: number) => {
    report(`fetching its ${what}, ${index + 1} of ${at.length}`)
    const packed = await getObject(building, at[index] ?? '', MOST_PACKED, building.signal)
    if (packed === undefined)
      throw new BakeFailure(`A piece of ${tier}’s ${what} is not in the state bucket. Bake again.`)
    return packed
  }
  await receiveFile(sbomBeside(file), goods.sbom, fetched(places.sbom, 'SBOM'))
  if (goods.pages && places.pages) await keepPages(building, goods.pages, fetched(places.pages, 'pages'))
  await receiveFile(file, goods.disk, fetched(places.disk, 'disk'))
  return { bytes: goods.disk.bytes, allocatedBytes: statSync(file).blocks * 512 }
}

function requireRoom({ room }: Ec2Building, file: string, bytes: number): void {
  const folder = path.dirname(file)
  const free = room(folder)
  if (free >= bytes + SPARE_BYTES) return
  const mib = (count: number) => Math.floor(count / 2 ** 20)
  throw new Problem(
    `The disk that holds ${folder} has ${mib(free)} MiB left, and an image of ${mib(bytes)} is to come there.`,
    'Make room and run it again.',
  )
}

/** Gives the workshop a disk that it does not have: what is booted is what is uploaded. */
async function hand(
  building: Ec2Building,
  rented: Rented,
  tier: Tier,
  file: string,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const disk = await goodsOf(file)
  const keys = disk.parcels.map((_, index) => `${folderOf(rented.bake)}${tier}/back-${index}`)
  await sendFile(file, disk, async (index, packed) => {
    report(`${tier}: giving it back to the builder, ${index + 1} of ${keys.length}`)
    await putObject(building, keys[index] ?? '', packed, signal)
  })
  const from = await Promise.all(keys.map((key) => rented.readable(key)))
  await rented.ask('take', { tier, disk, from }, report, signal)
}

const keptAt = ({ kept }: Pick<Ec2Building, 'kept'>, build: string) => path.join(kept, `${build}.json`)

async function keepPages(
  building: Ec2Building,
  goods: Goods,
  get: (index: number) => Promise<Buffer>,
): Promise<void> {
  mkdirSync(building.kept, { recursive: true })
  const place = keptAt(building, building.pages.build())
  const beside = `${place}.${process.pid}`
  await receiveFile(beside, goods, get)
  renameSync(beside, place)
}

/** Those of this machine, but for static files that came with a disk: they are the ones that are in it. */
export const pagesOf = (building: Pick<Ec2Building, 'kept' | 'pages'>): Pages => ({
  ...building.pages,
  async files(build, report) {
    try {
      return staticOf(readFileSync(keptAt(building, build), 'utf8'))
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
    return building.pages.files(build, report)
  },
})
