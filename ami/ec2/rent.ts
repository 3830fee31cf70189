// A workshop on an instance of the account: rented for a bake, found again by the next run when this one is ended, and gone in any
// case, with everything that was put into the bucket for it.
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { BOOTSTRAP_STACK, stateBucket } from '../../infra/bootstrap/names.ts'
import { describeStack } from '../../infra/release/follow.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { beginLedger, type Ledger, readLedger } from '../ledger/ledger.ts'
import { fileStore, type LedgerStore, lock } from '../ledger/store.ts'
import type { Addresses } from '../local/host.ts'
import type { Baking } from '../upload/baking.ts'
import { type BootPlace, builderPlace } from './boot-place.ts'
import { endOfConsole } from './console.ts'
import type { DebianImage } from './debian-image.ts'
import { newestDebian } from './debian-image.ts'
import { checksOf } from './look.ts'
import { end, type Machine, runMachine } from './machine.ts'
import { ask, LIFE_S, ordersKey, type Place, putObject, removeFolder, sourcesKey } from './mailbox.ts'
import type { Kind, Result, Task } from './orders.ts'
import type { Sources } from './sources.ts'
import { mailboxOf, userData } from './user-data.ts'

export interface Renting extends Place {
  readonly addresses: Addresses
  /** Where journals lie. */
  readonly journals: string
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  /** Instead of a file in `journals`. */
  readonly store?: ((file: string) => LedgerStore) | undefined
}

export interface Rented {
  /** @throws BakeFailure when the machine has ended or is silent, with the end of its console */
  ask<K extends Kind>(
    kind: K,
    task: Task<K>,
    report: (line: string) => void,
    signal?: AbortSignal,
  ): Promise<Result<K>>
  /** An address from which the workshop reads an object of the state bucket. */
  readable(key: string): Promise<string>
  /** An address at which it writes one. */
  writable(key: string): Promise<string>
  /** Names what was put into the bucket for it. */
  readonly bake: string
  /** @throws BakeFailure with what could not be taken back */
  close(): Promise<void>
}

const NAME = 'builder'
/** Of the Nitro system, with four processors and 8 GiB: two emulated machines, or a build of the pages. */
export const TYPES = ['c7i.xlarge', 'c6i.xlarge', 'm7i.xlarge', 'm6i.xlarge', 'c5.xlarge'] as const
/** Its Debian, packages of npm, roots and both disks take 8, and the disks of emulated machines up to 6. */
export const VOLUME_GIB = 30
/** Of a machine that makes disks: it tells every half a minute what it does. */
const SILENT_MS = 10 * 60_000
/** Until it tells for the first time: Debian's and npm's packages come before. */
const FIRST_MS = 25 * 60_000
/** Of the bake's credentials: a bake is over by then. */
const NEEDED_MS = 45 * 60_000

interface Stand extends BootPlace {
  readonly key: string
}

/** @throws BakeFailure when the bootstrap is not there, or an old one */
export async function standOf({ aws, home }: Pick<Place, 'aws' | 'home'>): Promise<Stand> {
  const { Outputs = [] } = (await describeStack(aws, BOOTSTRAP_STACK)) ?? {}
  const of = (key: string) => Outputs.find(({ OutputKey }) => OutputKey === key)?.OutputValue
  const place = builderPlace(of)
  const key = of('ImageKey')
  if (place === undefined || key === undefined)
    throw new BakeFailure(
      `${BOOTSTRAP_STACK} of account ${home.account} in ${home.region} has no network for builders: npm run bootstrap makes it. Nothing was started.`,
    )
  return { ...place, key }
}

/** Begins to start one, or to look for the one that is there. @throws BakeFailure, AwsProblem in words; nothing is left then */
export async function rent(renting: Renting, sources: Sources): Promise<Rented> {
  const { home, journals, say, signal } = renting
  await requireCredentials(renting)
  const stand = await standOf(renting)
  const image = await newestDebian(renting.aws)
  const file = path.join(journals, `${home.account}-${home.region}-builder.json`)
  const held = await lock(file)
  let begun: Ledger | undefined
  try {
    const store = renting.store?.(file) ?? fileStore(file)
    const ledger = await openLedger(renting, store, stand, sources)
    begun = ledger
    const baking = bakingOf(renting, ledger, stand)
    const { bake } = ledger.state
    await putObject(renting, sourcesKey(bake, sources.sha256), sources.bytes, signal)
    const machine = await machineOf(renting, ledger, stand, image, sources)
    const running = run(baking, machine)
    return {
      bake,
      readable: (key) => renting.presign.get({ bucket: stateBucket(home), key }, LIFE_S),
      writable: (key) => renting.presign.put({ bucket: stateBucket(home), key }, LIFE_S),
      ask: async (kind, task, report, more) => {
        const mailbox = await running.mailbox()
        const talk = { watch: running.watch, report, signal: more ?? signal }
        const result = await ask(renting, { bake, mailbox }, kind, task, talk)
        running.heard()
        return result
      },
      async close() {
        try {
          await running.end()
          await forget(renting, ledger)
          say(
            'Nothing is left of the builder: its instance is gone, and what was put into the bucket for it.',
          )
        } finally {
          await held[Symbol.asyncDispose]()
        }
      },
    }
  } catch (error) {
    // Without a machine nothing is worth being continued; what can't be removed now, the next run does, or the bucket.
    if (begun !== undefined && begun.find(NAME) === undefined)
      await forget(renting, begun).catch(() => undefined)
    await held[Symbol.asyncDispose]()
    throw error
  }
}

async function forget(place: Place, ledger: Ledger): Promise<void> {
  await removeFolder(place, ledger.state.bake)
  await ledger.end()
}

/** What is signed by credentials ends with them. */
async function requireCredentials({ presign, aws }: Renting): Promise<void> {
  const until = await presign.validUntil()
  if (until === undefined) return
  const left = until.getTime() - aws.clock.now().getTime()
  if (left >= NEEDED_MS) return
  throw new BakeFailure(
    `These credentials end at ${until.toISOString()}, in ${Math.max(0, Math.round(left / 60_000))} minutes, and with them what a builder on an ` +
      `instance may read and write: a bake needs ${NEEDED_MS / 60_000}. Nothing was started. Sign in anew, for an hour or more.`,
  )
}

/** The journal of a machine that was begun of the same sources; what another one has left is taken back. */
async function openLedger(
  renting: Renting,
  store: LedgerStore,
  { key }: Stand,
  { sha256 }: Sources,
): Promise<Ledger> {
  const { aws, home, say } = renting
  const ledger = await readLedger(store)
  const isFresh = ledger && Date.parse(ledger.state.expires) > aws.clock.now().getTime()
  if (ledger !== undefined && isFresh && ledger.state.inputs === sha256 && ledger.state.key === key) {
    say(`The builder of bake ${ledger.state.bake} is looked for.`)
    return ledger
  }
  if (ledger !== undefined) {
    say('A builder that was begun here is of other sources: it goes.')
    await end(bakingOf(renting, ledger, { key }), NAME)
    await forget(renting, ledger)
  }
  return beginLedger(store, { inputs: sha256, ...home, disks: {}, key }, aws.clock.now())
}

const bakingOf = (
  { aws, journals, say, signal }: Renting,
  ledger: Ledger,
  { key }: Pick<Stand, 'key'>,
): Baking => ({
  aws,
  ledger,
  folder: journals,
  architecture: 'x86_64',
  key,
  say,
  progress: () => undefined,
  signal,
})

async function machineOf(
  { presign, home, addresses }: Renting,
  { state: { bake } }: Ledger,
  { group, subnets }: Stand,
  image: DebianImage,
  { sha256 }: Sources,
): Promise<Machine> {
  // A mailbox of its own: orders that another one was given are none of this one's.
  const mailbox = randomBytes(4).toString('hex')
  const bucket = stateBucket(home)
  return {
    name: NAME,
    image: image.id,
    types: TYPES,
    subnets,
    group,
    profile: undefined,
    hasPublicAddress: true,
    rootDevice: image.rootDevice,
    volumeGiB: VOLUME_GIB,
    userData: userData({
      mailbox,
      sources: await presign.get({ bucket, key: sourcesKey(bake, sha256) }, LIFE_S),
      sha256,
      orders: await presign.get({ bucket, key: ordersKey(bake, mailbox) }, LIFE_S),
      addresses,
      lifeMinutes: LIFE_S / 60,
    }),
    patienceMs: LIFE_S * 1000,
  }
}

/** Watches the machine for as long as somebody has it. */
function run(baking: Baking, machine: Machine) {
  const over = new AbortController()
  const { aws, ledger, signal } = baking
  let console: string | undefined
  let isHeard = false
  let failure: { readonly error: unknown } | undefined
  // Is never judged: what it has to say, it says by its answers.
  const judge = (text: string): undefined => {
    console = text
    return undefined
  }
  const both = AbortSignal.any([over.signal, ...(signal ? [signal] : [])])
  const ended = runMachine({ ...baking, signal: both }, machine, judge).catch((error: unknown) => {
    failure = { error }
  })
  const watch = async (silentMs: number): Promise<void> => {
    if (failure !== undefined) throw failure.error
    signal?.throwIfAborted()
    const limit = isHeard ? SILENT_MS : FIRST_MS
    if (silentMs < limit) return
    const id = ledger.find(NAME)?.id
    const checks = id === undefined ? '' : await checksOf(baking, id)
    const what = isHeard ? 'has said nothing for' : 'has not begun to work after'
    throw new BakeFailure(
      `The builder ${id} ${what} ${limit / 60_000} minutes${checks}. ${endOfConsole(console ?? '')}`,
    )
  }
  return {
    watch,
    heard: () => {
      isHeard = true
    },
    /** Of the machine that runs, which may be one that an earlier run has started. */
    async mailbox(): Promise<string> {
      for (;;) {
        await watch(0)
        // The journal may name one that has ended since: only whom one watches is there.
        const there = console === undefined ? undefined : ledger.find(NAME)
        const text = Buffer.from(String(there?.request.UserData ?? ''), 'base64').toString()
        const mailbox = mailboxOf(text)
        if (there?.id !== undefined && mailbox !== undefined) return mailbox
        await aws.clock.sleep(1_000, signal)
      }
    },
    async end(): Promise<void> {
      over.abort()
      await ended
      // Whoever was told of it already does not need it twice; that it still runs, he does.
      if (ledger.find(NAME) !== undefined) throw failure?.error
    },
  }
}
