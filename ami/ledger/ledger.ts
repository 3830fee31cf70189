// The journal of one bake: everything that it asks AWS to make is written down before it asks and after it was answered.
// So a run that was ended anywhere can be continued, or taken back, by the next one; what it can't take back any more
// because the journal is lost carries tags that tell the sweeper (sweep.ts) whose it is, and until when it is needed.
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { bootTestSchema, parseJson } from '../../infra/images.ts'
import { BakeFailure } from './failure.ts'
import type { LedgerStore } from './store.ts'

const resource = z.object({
  /** `api snapshot`; one of a name that is not removed at a time. */
  name: z.string(),
  kind: z.enum(['snapshot', 'image', 'instance']),
  /** What AWS knows it by before it has an id: a client token, or a name that nothing else has. */
  token: z.string(),
  /** Exactly what is asked for: a token holds only for the same request. */
  request: z.record(z.string(), z.unknown()),
  /** Undefined while it is not known whether it was made. */
  id: z.string().optional(),
  /** Of a snapshot: every block is put, and it was to be sealed. */
  sealing: z.boolean().optional(),
  state: z.enum(['asked', 'made', 'removed']),
})
const schema = z.object({
  version: z.literal(1),
  /** Names this bake in tags, tokens and names: never used again. */
  bake: z.string(),
  inputs: z.string().regex(/^[0-9a-f]{64}$/),
  account: z.string(),
  region: z.string(),
  /** SHA-256 of the disks, by tier: what is continued has to be the same. */
  disks: z.record(z.string(), z.string()),
  /** ARN of what snapshots are encrypted with; null: the account's own for EBS. */
  key: z.string().nullable(),
  startedAt: z.iso.datetime(),
  /** What carries the bake's tags may be swept after that. */
  expires: z.iso.datetime(),
  resources: z.array(resource),
  /** Boot tests that its images have passed on EC2, by tier. */
  proofs: z.record(z.string(), bootTestSchema).optional(),
})
type BootTest = Readonly<z.infer<typeof bootTestSchema>>
export type Resource = Readonly<z.infer<typeof resource>>
export type LedgerState = Readonly<z.infer<typeof schema>>
export type Identity = Pick<LedgerState, 'inputs' | 'account' | 'region' | 'disks' | 'key'>

/** Long enough for the slowest bake, and for somebody to continue one tomorrow. */
const DAYS = 3

export interface Ledger {
  readonly state: LedgerState
  /** @returns what has that name and is not removed */
  find(name: string): Resource | undefined
  /** Before AWS is asked. */
  asked(resource: Pick<Resource, 'name' | 'kind' | 'token' | 'request'>): Promise<Resource>
  /** After AWS has answered. */
  made(name: string, id: string): Promise<Resource>
  sealing(name: string): Promise<void>
  removed(name: string): Promise<void>
  /** An image of it has passed: it is not started once more. */
  proved(test: BootTest): Promise<void>
  /** Nothing is left to be remembered. */
  end(): Promise<void>
}

export async function readLedger(store: LedgerStore): Promise<Ledger | undefined> {
  const text = await store.read()
  if (text === undefined) return undefined
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success)
    throw new BakeFailure(
      `${store.place} is not the journal of a bake, or one of another version of Terrace: ` +
        'what it speaks of can’t be continued. Move it away; npm run bake:sweep removes what that bake made, once it has expired.',
    )
  return ledgerOf(store, parsed.data)
}

export async function beginLedger(store: LedgerStore, identity: Identity, now: Date): Promise<Ledger> {
  const state: LedgerState = {
    version: 1,
    bake: randomBytes(8).toString('hex'),
    ...identity,
    startedAt: now.toISOString(),
    expires: new Date(now.getTime() + DAYS * 86_400_000).toISOString(),
    resources: [],
  }
  await store.write(print(state))
  return ledgerOf(store, state)
}

const print = (state: LedgerState): string => `${JSON.stringify(state, null, 2)}\n`

function ledgerOf(store: LedgerStore, from: LedgerState): Ledger {
  let state = from
  const find = (name: string) => state.resources.find((one) => one.name === name && one.state !== 'removed')
  const write = async (what: Partial<LedgerState>) => {
    const next = { ...state, ...what }
    await store.write(print(next))
    state = next
  }
  const change = async (name: string, what: Partial<Resource>): Promise<Resource> => {
    const old = find(name)
    if (old === undefined) throw new Error(`the journal has no ${name}`)
    const changed = { ...old, ...what }
    await write({ resources: state.resources.map((one) => (one === old ? changed : one)) })
    return changed
  }
  return {
    get state() {
      return state
    },
    find,
    asked: async (asked) => {
      if (find(asked.name) !== undefined) throw new Error(`the journal has ${asked.name} already`)
      const added: Resource = { ...asked, state: 'asked' }
      await write({ resources: [...state.resources, added] })
      return added
    },
    made: (name, id) => change(name, { id, state: 'made' }),
    sealing: async (name) => {
      await change(name, { sealing: true })
    },
    removed: async (name) => {
      await change(name, { state: 'removed' })
    },
    proved: (test) => write({ proofs: { ...state.proofs, [test.tier]: test } }),
    end: () => store.remove(),
  }
}
