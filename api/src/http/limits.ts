// Rates. What guards secrets (sign-in, set-up and invitation links) and what costs money (questions) is counted in
// PostgreSQL, for all servers together. What is read all the time is counted in memory, one server at a time:
// a search must not cost a round trip.
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { addressKey } from './address.ts'

interface Rate {
  readonly points: number
  /** Seconds. */
  readonly duration: number
}

export const RATES = {
  /** Everything that only reads; per person and server. */
  read: { points: 5_000, duration: 10 },
  /** Everything that changes something; per person and server. */
  write: { points: 1_000, duration: 10 },
  /** Questions to a model; per person. */
  ask: { points: 2_000, duration: 300 },
  /** Anonymous requests, tries to sign in among them; per address and server. */
  anonymous: { points: 300, duration: 10 },
  /** Everything by one API key; per server. Questions count as their person's too. */
  key: { points: 600, duration: 60 },
  /** Looks and tries at set-up and invitation links; per address, behind which a whole office may be accepting theirs. */
  link: { points: 120, duration: 600 },
} as const satisfies Record<string, Rate>

/** Procedures that are counted otherwise than by being a query or a mutation. */
const BY_PATH: Readonly<Record<string, 'ask' | 'link'>> = {
  'chats.ask': 'ask',
  'chats.retry': 'ask',
  'people.acceptInvitation': 'link',
  'people.invitation': 'link',
  'setup.createOwner': 'link',
}

/** Sign-in: tries without delay, then one per slot, whose length doubles up to the cap. Seconds. */
export const SIGN_IN = {
  window: 3_600,
  /** The same account from the same address. */
  pair: { free: 5, cap: 900 },
  /** The same account from anywhere: a low cap, since strangers can keep an account's owner waiting by it. */
  account: { free: 20, cap: 60 },
  /** Any accounts from the same address. */
  address: { free: 50, cap: 900 },
} as const

export interface Limits {
  /** @throws AppError TOO_MANY_REQUESTS */
  procedure(path: string, type: 'query' | 'mutation' | 'subscription', who: Who): Promise<void>
  /** Counts a try before the password is looked at, so that tries in parallel all count. @throws like `procedure` */
  signIn(email: string, address: string): Promise<{ succeeded(): Promise<void> }>
  /**
   * Before a key is looked up. Only wrong ones count, as wrong passwords from one address do: a key is too long to be
   * guessed, and one forgotten script behind an office's address must not close it to all others.
   * @throws like `procedure`, when so many wrong ones came that none is looked at for a moment
   */
  keyTry(address: string): Promise<{ wrong(): Promise<void> }>
  /** A request with a key that works. @throws like `procedure` */
  key(keyId: string): Promise<void>
}

export interface Who {
  readonly viewer: Viewer | null
  readonly address: string
}

export function createLimits(pool: Pool): Limits {
  const memory = (keyPrefix: string, rate: Rate) => new RateLimiterMemory({ keyPrefix, ...rate })
  const stored = (keyPrefix: string, rate: Rate) =>
    new RateLimiterPostgres({
      storeClient: pool,
      storeType: 'pool',
      tableName: 'rate_limits',
      tableCreated: true,
      keyPrefix,
      ...rate,
      // Who is over the limit is refused from memory; without the database each server counts for itself.
      inMemoryBlockOnConsumed: rate.points + 1,
      insuranceLimiter: memory(keyPrefix, rate),
    })
  const read = memory('read', RATES.read)
  const write = memory('write', RATES.write)
  const anonymous = memory('anonymous', RATES.anonymous)
  const byPath = { ask: stored('ask', RATES.ask), link: stored('link', RATES.link) }
  const tries = (name: string) => ({
    count: stored(`sign-in-${name}`, { points: 1_000_000, duration: SIGN_IN.window }),
    slot: stored(`sign-in-${name}-slot`, { points: 1, duration: 1 }),
  })
  const pair = tries('pair')
  const account = tries('account')
  const address = tries('address')
  const wrongKeys = {
    count: stored('api-key', { points: 1_000_000, duration: SIGN_IN.window }),
    slot: stored('api-key-slot', { points: 1, duration: 1 }),
  }
  const keys = memory('key', RATES.key)

  return {
    async procedure(path, type, who) {
      const special = BY_PATH[path]
      const client = addressKey(who.address)
      if (special === 'link') await take(byPath.link, client)
      if (who.viewer === null) return take(anonymous, client)
      if (special === 'ask') return take(byPath.ask, who.viewer.userId)
      await take(type === 'mutation' ? write : read, who.viewer.userId)
    },
    async signIn(email, from) {
      const client = addressKey(from)
      // Counted in memory: a flood from one address costs the database nothing.
      await take(anonymous, client)
      const name = email.trim().toLowerCase().slice(0, 200)
      const both = `${name}|${client}`
      const counted: (() => Promise<unknown>)[] = []
      try {
        for (const [limiter, key, rule] of [
          // First, so that an address that is refused anyway leaves no rows for every account it names.
          [address, client, SIGN_IN.address],
          [pair, both, SIGN_IN.pair],
          [account, name, SIGN_IN.account],
        ] as const) {
          await attempt(limiter, key, rule)
          counted.push(() => limiter.count.reward(key, 1))
        }
      } catch (refused) {
        // A try that does not get as far as the password is none.
        await Promise.all(counted.map((undo) => undo()))
        throw refused
      }
      return {
        async succeeded() {
          await Promise.all([
            ...[pair.count, pair.slot].map((limiter) => limiter.delete(both)),
            ...[account.count, account.slot].map((limiter) => limiter.delete(name)),
            address.count.reward(client, 1),
          ])
        },
      }
    },
    async keyTry(from) {
      const client = addressKey(from)
      const known = await anonymous.get(client)
      if (known !== null && known.remainingPoints <= 0) refuse(known)
      return {
        async wrong() {
          await take(anonymous, client)
          await attempt(wrongKeys, client, SIGN_IN.address)
        },
      }
    },
    key: (keyId) => take(keys, keyId),
  }
}

type Limiter = RateLimiterMemory | RateLimiterPostgres

async function take(limiter: Limiter, key: string, options?: { customDuration: number }): Promise<void> {
  try {
    await limiter.consume(key, 1, options)
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused
    refuse(refused)
  }
}

function refuse({ msBeforeNext }: RateLimiterRes): never {
  throw new AppError('TOO_MANY_REQUESTS', { seconds: Math.max(1, Math.ceil(msBeforeNext / 1000)) })
}

async function attempt(
  limiter: { count: RateLimiterPostgres; slot: RateLimiterPostgres },
  key: string,
  { free, cap }: { free: number; cap: number },
): Promise<void> {
  const { consumedPoints } = await limiter.count.penalty(key, 1)
  const excess = consumedPoints - free
  if (excess <= 0) return
  try {
    await take(limiter.slot, key, { customDuration: Math.min(cap, 2 ** Math.min(excess, 20)) })
  } catch (refused) {
    // Knocking on a closed door does not keep it closed for longer.
    await limiter.count.reward(key, 1)
    throw refused
  }
}
