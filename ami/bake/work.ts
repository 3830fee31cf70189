// What a bake works with, and its steps on this machine: disks, a look at what is in them, boots. None of them is taken twice.
import type { Aws } from '../../aws/port.ts'
import type { ImageSet } from '../../infra/images.ts'
import type { Step } from '../../local/steps.ts'
import type { StaticFiles } from '../image-set/static-files.ts'
import type { Tier } from '../recipe/debian.ts'
import { checksumOf } from '../upload/disk.ts'
import type { BakeLine } from './arguments.ts'
import type { Built } from './built.ts'
import type { Checkout } from './checkout.ts'
import type { DebianLists, Inputs } from './inputs.ts'
import type { Inspected, Inspection } from './inspection.ts'
import type { Builder, Carried } from './local-builder.ts'
import type { Pages } from './pages.ts'
import { sizeOf } from './plan.ts'

export interface Kitchen {
  readonly checkout: () => Promise<Checkout>
  readonly builder: Builder
  readonly pages: Pages
  readonly inspection: Inspection
  /** Undefined: nothing is uploaded. */
  readonly aws: Aws | undefined
  /** Where disks and what they have passed are kept, a folder for each set of inputs. */
  readonly disks: string
  /** Where journals of uploads lie. */
  readonly journals: string
  readonly now: () => Date
  readonly say: (line: string) => void
  readonly perform: (steps: readonly Step[]) => Promise<void>
  /** When it is aborted, what AWS has made is taken back. */
  readonly signal: AbortSignal
}

export interface Work {
  readonly line: BakeLine
  readonly kitchen: Kitchen
  readonly checkout: Checkout
  readonly lists: DebianLists
  readonly inputs: Inputs
  readonly built: Built
  readonly carried: Other | undefined
  /** What the pages' build is called. */
  readonly build: string
  /** What was looked at, once it was. */
  readonly inspected: Inspected[]
}

/** Another set, and its pages' static files. */
export interface Other {
  readonly set: ImageSet
  readonly files: StaticFiles
}

export function making({ kitchen, lists, inputs, built, carried }: Work, tier: Tier): Step {
  return {
    title: `Disk of ${tier}`,
    work: async (progress) => {
      const there = built.tier(tier)
      if (there !== undefined) {
        progress.title = `Disk of ${tier}: there already, ${sizeOf(there)}`
        return
      }
      kitchen.signal.throwIfAborted()
      const file = built.file(tier)
      const previous: Carried | undefined = carried && {
        sha256: carried.files.sha256,
        dir: await kitchen.pages.keep(carried.files),
      }
      const facts = { release: inputs.release, madeAt: built.madeAt, previous }
      const size = await kitchen.builder.make(tier, facts, lists, file, (text) => {
        progress.output = text
      })
      kitchen.signal.throwIfAborted()
      progress.output = 'its checksum'
      built.set(tier, { ...size, checksum: await checksumOf(file) })
      progress.title = `Disk of ${tier}: ${sizeOf(size)}`
    },
  }
}

/** Before they are booted: what stops an upload is known in seconds. */
export function looking({ line, kitchen, inputs, built, inspected }: Work): Step {
  return {
    title: `What is in ${line.tiers.join(' and ')}`,
    work: async (progress) => {
      kitchen.signal.throwIfAborted()
      const { allowUnscanned, home } = line
      if (home === undefined && line.tiers.every((tier) => built.tier(tier)?.boot !== undefined)) {
        progress.title = `What is in ${line.tiers.join(' and ')}: looked at before`
        return
      }
      const disks = Object.fromEntries(line.tiers.map((tier) => [tier, built.file(tier)]))
      const of = { now: kitchen.now(), say: kitchen.say, stops: home !== undefined, allowUnscanned }
      const found = await kitchen.inspection.look({ disks, release: inputs.release, ...of })
      inspected.push(found)
      progress.title = `What is in ${line.tiers.join(' and ')}: SBOM ${found.sbom.sha256.slice(0, 12)}`
    },
  }
}

/** Both at once, or none: the web server is tested with the API of its set. */
export function booting({ line, kitchen, built }: Work): Step {
  return {
    title: `Boot tests of ${line.tiers.join(' and ')}`,
    work: async (progress) => {
      const passed = () =>
        line.tiers.map((tier) => `${tier} ready after ${built.tier(tier)?.boot?.seconds} s`).join(', ')
      if (line.tiers.every((tier) => built.tier(tier)?.boot !== undefined)) {
        progress.title = `Boot tests: passed already, ${passed()}`
        return
      }
      kitchen.signal.throwIfAborted()
      const disks = Object.fromEntries(line.tiers.map((tier) => [tier, built.file(tier)]))
      const at = kitchen.now().toISOString()
      const seconds = await kitchen.builder.boot(
        disks,
        (text) => {
          progress.output = text
        },
        kitchen.signal,
      )
      for (const tier of line.tiers) {
        const made = built.tier(tier)
        const took = seconds[tier]
        if (made === undefined || took === undefined) throw new Error(`no boot of ${tier} was tested`)
        built.set(tier, { ...made, boot: { at, seconds: took } })
      }
      progress.title = `Boot tests: ${passed()}`
    },
  }
}
