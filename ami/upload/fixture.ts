// Two small disks, an account, and runs that end where a test wants them to.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'vitest'
import { type Aws, SERVICES } from '../../aws/port.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { fileStore, type LedgerStore } from '../ledger/store.ts'
import { BLOCK_BYTES, checksumOf } from './disk.ts'
import { type Publication, type Publishing, publish } from './publish.ts'

export const HOME = { account: '222233334444', region: 'eu-west-1' }
export const INPUTS = 'a'.repeat(64)
export const KEY = 'arn:aws:kms:eu-west-1:222233334444:key/11111111-2222-3333-4444-555555555555'

interface Now {
  folder: string
  world: StandIn
  publication: Publication
  said: string[]
}
/** Of the test that runs. */
export const now = {} as Now

export async function begin(): Promise<void> {
  now.folder = mkdtempSync(path.join(tmpdir(), 'terrace-upload-'))
  now.world = newWorld()
  now.said = []
  now.publication = {
    inputs: INPUTS,
    release: '2026.11.28',
    madeAt: '2026-11-28T12:00:00Z',
    account: HOME.account,
    architecture: 'x86_64',
    bootSeconds: { api: 20, web: 15 },
    key: KEY,
    tiers: { api: await disk('api', 3.5), web: await disk('web', 2) },
  }
}
export const end = (): void => rmSync(now.folder, { recursive: true, force: true })

export function newWorld(): StandIn {
  const made = standIn(HOME.account, HOME.region)
  made.buckets.make(stateBucket(HOME))
  return made
}

/** Of so many blocks; the second one is all zeros. */
export async function disk(name: string, blocks: number) {
  const file = path.join(now.folder, `${name}.raw`)
  const bytes = Buffer.alloc(blocks * BLOCK_BYTES)
  for (let at = 0; at < bytes.length; at += 4096)
    if (at < BLOCK_BYTES || at >= 2 * BLOCK_BYTES) bytes.write(`${name} ${at}`, at)
  writeFileSync(file, bytes)
  return { file, checksum: await checksumOf(file) }
}

export const journals = () => path.join(now.folder, 'journals')
const publishing = (more: Partial<Publishing> = {}): Publishing => ({
  folder: journals(),
  workers: 2,
  say: (line) => now.said.push(line),
  ...more,
})
export const run = (aws: Aws = now.world.aws, more: Partial<Publishing> = {}) =>
  publish(aws, now.publication, publishing(more))

/** Nothing is there but what the record names, and nothing has to be remembered. */
export function onlyWhatIsRecorded(
  of: StandIn,
  set: { regions: Record<string, { api: string; web: string }> },
): void {
  const { api, web } = set.regions[HOME.region] ?? {}
  expect([...of.compute.images.all.keys()].sort()).toEqual([api, web].sort())
  const used = [...of.compute.images.all.values()].map(({ snapshot }) => snapshot)
  expect([...of.compute.snapshots.all.keys()].sort()).toEqual(used.sort())
  expect(of.buckets.keys(stateBucket(HOME))).toEqual([LAYOUT.record(INPUTS)])
  expect(readdirSync(journals())).toEqual([])
}
export function nothingIsThere(of: StandIn): void {
  expect([...of.compute.images.all.keys()]).toEqual([])
  expect([...of.compute.snapshots.all.keys()]).toEqual([])
  expect(of.buckets.keys(stateBucket(HOME))).toEqual([])
  expect(readdirSync(journals())).toEqual([])
}

/** The process ends at a step: nothing that comes after it has an effect. `after`: the step itself still has its. */
export function endingAt(step: number, when: 'before' | 'after', of: StandIn) {
  let steps = 0
  let isDead = false
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Error('ended')
    const isLast = ++steps === step
    if (isLast && when === 'before') isDead = true
    if (isDead) throw new Error('ended')
    const [result] = await Promise.allSettled([work()])
    if (isLast) isDead = true
    if (isDead) throw new Error('ended')
    if (result.status === 'rejected') throw result.reason
    return result.value
  }
  const clients = SERVICES.map((service) => {
    const client = of.aws[service] as { send: (...args: unknown[]) => Promise<unknown> }
    return [service, { send: (...args: unknown[]) => take(() => client.send(...args)) }]
  })
  const aws: Aws = { ...of.aws, ...Object.fromEntries(clients) }
  const store = (file: string): LedgerStore => {
    const real = fileStore(file)
    return {
      place: file,
      read: () => take(() => real.read()),
      write: (text) => take(() => real.write(text)),
      remove: () => take(() => real.remove()),
    }
  }
  return { aws, store, take, steps: () => steps, isDead: () => isDead }
}
export const journal = () => path.join(journals(), `${HOME.account}-${HOME.region}-${INPUTS}.json`)
