// An account in which whatever instance is started becomes a workshop: the real program over a builder of a few bytes. What it
// reads and writes are objects of the stand-in, at addresses that hold for one of them and one way only.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Aws, Clock } from '../../../aws/port.ts'
import type { Presign } from '../../../aws/presign.ts'
import type { StandIn } from '../../../aws/stand-in/stand-in.ts'
import { DEBIAN_OWNER } from '../../../infra/bootstrap/names.ts'
import type { Checkout } from '../../bake/checkout.ts'
import { sbomBeside } from '../../bake/inspection.ts'
import type { Builder } from '../../bake/local-builder.ts'
import { BUCKET, bootstrapped, builderOf, KEY, pagesOf, SBOM } from '../../bake/test/kitchen.ts'
import { placeImage } from '../fixture.ts'
import { Refused, type Wire } from '../wire.ts'
import { type Workshop, work } from '../workshop.ts'

export const OUTPUTS = [
  { OutputKey: 'ImageKey', OutputValue: KEY },
  { OutputKey: 'BuilderSecurityGroup', OutputValue: 'sg-builders' },
  { OutputKey: 'BuilderSubnet1', OutputValue: 'subnet-1' },
  { OutputKey: 'BuilderSubnet2', OutputValue: 'subnet-2' },
]
/** Whoever has it may do what it says. */
export const SECRET = 'X-Amz-Signature=0ff1ce'

/** @param base `http://127.0.0.1:PORT`, or of nobody */
export const presignAt = (base: string, until?: () => Date | undefined): Presign => {
  const address = (method: string) => async (at: { bucket: string; key: string }, seconds: number) =>
    `${base}/${at.bucket}/${at.key}?method=${method}&X-Amz-Expires=${seconds}&${SECRET}`
  return { get: address('GET'), put: address('PUT'), validUntil: async () => until?.() }
}

type Operation = (input: object) => { Body?: { transformToByteArray(): Promise<Uint8Array> } }
/** @throws the stand-in's error, or for an address of the other way */
export async function objectAt(
  { buckets }: StandIn,
  method: 'GET' | 'PUT',
  url: string,
  Body?: Buffer,
): Promise<Buffer> {
  const { pathname, searchParams } = new URL(url)
  const [, Bucket = '', Key = ''] = /^\/([^/]+)\/(.+)$/.exec(pathname) ?? []
  if (searchParams.get('method') !== method || !url.includes(SECRET))
    throw new Refused(`S3 refuses ${method}`)
  const operation = buckets.operations[method === 'GET' ? 'GetObject' : 'PutObject'] as unknown as Operation
  const { Body: found } = operation({ Bucket, Key, ...(Body && { Body }) })
  return Buffer.from((await found?.transformToByteArray()) ?? [])
}

/** For a machine that is up; one that is gone does nothing any more. */
function wireOf(world: StandIn, id: string): Wire {
  const mustRun = () => {
    if (world.compute.instances.all.get(id)?.state !== 'running') throw new Refused('the machine is gone')
  }
  return {
    async get(url) {
      mustRun()
      try {
        return await objectAt(world, 'GET', url)
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined
        throw error
      }
    },
    async put(url, body) {
      mustRun()
      await objectAt(world, 'PUT', url, body)
    },
  }
}

/** What a machine was started with says where its orders are. */
export const ordersOf = (userData: string): string => /^ORDERS='(.+)'$/m.exec(userData)?.[1] ?? ''

/** Milliseconds of the real clock. */
const MOMENT = 3
const LONGEST = 300
const IDLE = 8

/**
 * Files take time that the virtual clock knows nothing of: whoever waits for a workshop does so while it works, and whoever reads a
 * file is not left behind by hours.
 */
function clocks(clock: Clock): { readonly theirs: Clock; readonly workshop: () => Clock & { end(): void } } {
  let busy = 0
  const now = () => clock.now()
  return {
    theirs: {
      now,
      async sleep(ms, signal) {
        for (let waited = 0; waited === 0 || (busy > 0 && waited < LONGEST); waited += MOMENT)
          await pause(MOMENT)
        await clock.sleep(ms, signal)
      },
    },
    workshop: () => {
      busy++
      return {
        now,
        async sleep(ms) {
          busy--
          await pause(IDLE)
          await clock.sleep(ms)
          busy++
        },
        end: () => void busy--,
      }
    },
  }
}

export interface FarWorld {
  readonly aws: Aws
  /** Ends when every workshop has. */
  idle(): Promise<unknown>
}

/**
 * @param tell what the builder over there begins, as `builderOf`
 * @param more of the workshop that is other than usual
 */
export function prepare(
  world: StandIn,
  folder: string,
  tell: (what: string) => unknown,
  more: (machine: string) => Partial<Workshop> = () => ({}),
): FarWorld {
  const { instances, images } = world.compute
  world.buckets.make(BUCKET)
  images.put('ami-0debian', { OwnerId: DEBIAN_OWNER, Name: 'debian-13-amd64-20261101-2290' })
  images.put('ami-0old', { OwnerId: DEBIAN_OWNER, Name: 'debian-13-amd64-20250101-1' })
  images.put('ami-0theirs', { OwnerId: '999988887777', Name: 'debian-13-amd64-20261128-1' })
  placeImage(world, 'ami-0debian')
  const { theirs, workshop: newClock } = clocks(world.clock)
  const running: Promise<void>[] = []
  instances.program = (id) => {
    const place = mkdtempSync(path.join(folder, 'machine-'))
    const say = (line: string) => instances.all.has(id) && instances.says(id, `terrace-builder: ${line}\n`)
    const clock = newClock()
    const workshop: Workshop = {
      builder: { ...withSbom(builderOf((what) => tell(what))), lists: builderOf(tell).lists },
      pages: pagesOf(place, () => 'one'),
      wire: wireOf(world, id),
      clock,
      folder: path.join(place, 'disks'),
      orders: ordersOf(instances.all.get(id)?.userData ?? ''),
      say,
      ...more(id),
    }
    running.push(
      work(workshop)
        .catch((error: unknown) => void say(String(error)))
        .then(() => {
          clock.end()
          if (instances.all.get(id)?.state === 'running') instances.powerOff(id)
        }),
    )
  }
  return { aws: { ...bootstrapped(world.aws, OUTPUTS), clock: theirs }, idle: () => Promise.all(running) }
}

/** Whoever makes a disk says beside it what is in it. */
export const withSbom = (builder: Builder): Builder => ({
  ...builder,
  make: async (tier, facts, lists, file, report) => {
    report(`building ${tier}`)
    const made = await builder.make(tier, facts, lists, file, report)
    writeFileSync(sbomBeside(file), SBOM)
    return made
  },
})

/** A checkout of git, of one file. */
export function checkoutOf(root: string, git: (...args: string[]) => unknown): Checkout['files'] {
  mkdirSync(root, { recursive: true })
  writeFileSync(path.join(root, 'package.json'), '{"version":"0.1.0"}\n')
  git('-C', root, 'init', '--quiet')
  git('-C', root, 'add', '--all')
  return {}
}
