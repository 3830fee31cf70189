// A bake whose builder is on an instance: an account of the stand-in, a checkout, and machines that are workshops in this process.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'vitest'
import { type StandIn, standIn } from '../../../aws/stand-in/stand-in.ts'
import { LAYOUT } from '../../../infra/image-sets.ts'
import type { BakeLine } from '../../bake/arguments.ts'
import { type Baked, bake } from '../../bake/bake.ts'
import {
  account,
  BUCKET,
  CHECKOUT,
  HOME,
  kitchenOf,
  LINE,
  pagesOf as pagesIn,
  region,
} from '../../bake/test/kitchen.ts'
import type { Kitchen } from '../../bake/work.ts'
import { fileStore, type LedgerStore } from '../../ledger/store.ts'
import { type Ec2Building, ec2Builder, pagesOf } from '../builder.ts'
import type { Workshop } from '../workshop.ts'
import { checkoutOf, type FarWorld, prepare, presignAt } from './far-workshop.ts'

interface Now {
  folder: string
  world: StandIn
  far: FarWorld
  /** What builders began, here and there. */
  done: string[]
  said: string[]
  ending: AbortController
  /** Of a machine’s workshop that is other than usual. */
  more: (machine: string) => Partial<Workshop>
}
/** Of the test that runs. */
export const now = {} as Now

export function begin(): void {
  now.folder = mkdtempSync(path.join(tmpdir(), 'terrace-ec2-'))
  now.done = []
  now.said = []
  now.more = () => ({})
  now.ending = new AbortController()
  checkoutOf(path.join(now.folder, 'checkout'), (...args) => execFileSync('git', args))
  renew()
}
export async function finish(): Promise<void> {
  await now.far.idle()
  rmSync(now.folder, { recursive: true, force: true })
}

/** Another account. */
export function renew(): void {
  now.world = standIn(account, region)
  now.far = prepare(
    now.world,
    now.folder,
    (what) => now.done.push(what),
    (id) => now.more(id),
  )
}
export const CHECKED = { ...CHECKOUT, files: {} }
export const EC2: BakeLine = { ...LINE, builder: 'ec2' }

export function kitchen(but: Partial<Ec2Building> = {}): Kitchen {
  const { folder, far, ending } = now
  const usual = kitchenOf(folder, far.aws, (what) => now.done.push(`here: ${what}`))
  const say = (line: string) => now.said.push(line)
  const building: Ec2Building = {
    aws: far.aws,
    presign: presignAt('https://s3.example.com'),
    home: HOME,
    addresses: {
      mirrors: {
        main: 'https://mirror.example.com/debian',
        security: 'https://mirror.example.com/debian-security',
      },
      modelUrl: undefined,
    },
    journals: path.join(folder, 'journals'),
    say,
    signal: ending.signal,
    root: path.join(folder, 'checkout'),
    pages: pagesIn(folder, () => 'one'),
    kept: path.join(folder, 'pages'),
    room: () => 2 ** 40,
    ...but,
  }
  return {
    ...usual,
    aws: building.aws,
    checkout: async () => CHECKED,
    builder: ec2Builder(building),
    pages: pagesOf(building),
    say,
    signal: ending.signal,
  }
}
export const run = (
  but: Partial<Ec2Building> = {},
  line: Partial<BakeLine> = {},
  other: Partial<Kitchen> = {},
) => bake({ ...EC2, ...line }, { ...kitchen(but), ...other })
export const setOf = (baked: Baked) => {
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  return baked.set
}
export const machines = () => [...now.world.compute.instances.all.values()]
export const consoles = () =>
  machines()
    .map(({ console: text }) => text)
    .join('')
/** No machine runs, no object of it is there, and nothing has to be remembered. */
export function nothingIsLeft(): void {
  for (const { state } of machines()) expect(['shutting-down', 'terminated']).toContain(state)
  expect(now.world.buckets.keys(BUCKET).filter((key) => key.startsWith(LAYOUT.bakes))).toEqual([])
  expect(readdirSync(path.join(now.folder, 'journals')).filter((name) => !name.endsWith('.lock'))).toEqual([])
}
/** A journal of a run that can be ended: from then on that run writes nothing, whatever goes on behind it in this process. */
export function mortal() {
  let isDead = false
  const alive = <T>(work: () => Promise<T>): Promise<T> => (isDead ? new Promise(() => {}) : work())
  const store = (file: string): LedgerStore => {
    const real = fileStore(file)
    return {
      place: file,
      read: () => alive(() => real.read()),
      write: (text) => alive(() => real.write(text)),
      remove: () => alive(() => real.remove()),
    }
  }
  return {
    store,
    end() {
      isDead = true
      leaveLocks()
    },
  }
}
/** As an ended process leaves them: locks are taken over. */
export function leaveLocks(): void {
  for (const name of readdirSync(now.folder, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.lock')) rmSync(path.join(now.folder, name))
}
