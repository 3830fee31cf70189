// The two key pairs between an installation and its endpoint, and their rotation. Tokens: the API signs, the Worker checks.
// Receipts: the Worker signs, the API checks. Each side has its own private key and only public ones of the other.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { TOKEN_ALGORITHM } from '../../contract/model-endpoint.ts'
import { Problem } from '../../local/problem.ts'

/** By the names under which each is configured; all JSON. The first public key is the newest. */
export interface Keys {
  /** The API's. Private. */
  readonly LLAMMA_SIGNING_KEY: JWK
  /** The API's. Public. */
  readonly LLAMMA_RECEIPT_KEYS: { readonly keys: readonly JWK[] }
  /** The Worker's. Public. */
  readonly TOKEN_KEYS: { readonly keys: readonly JWK[] }
  /** The Worker's. Private. */
  readonly RECEIPT_KEY: JWK
}

export const KEY_NAMES = ['LLAMMA_SIGNING_KEY', 'LLAMMA_RECEIPT_KEYS', 'TOKEN_KEYS', 'RECEIPT_KEY'] as const

/** New pairs; with `previous` the public halves of the pairs before stay beside the new ones, and of no older ones. */
export async function makeKeys(previous?: Keys): Promise<Keys> {
  const tokens = await makePair()
  const receipts = await makePair()
  return {
    LLAMMA_SIGNING_KEY: tokens.privateKey,
    LLAMMA_RECEIPT_KEYS: { keys: [receipts.publicKey, ...newest(previous?.LLAMMA_RECEIPT_KEYS)] },
    TOKEN_KEYS: { keys: [tokens.publicKey, ...newest(previous?.TOKEN_KEYS)] },
    RECEIPT_KEY: receipts.privateKey,
  }
}

function newest(keys: { readonly keys: readonly JWK[] } | undefined): JWK[] {
  return keys === undefined ? [] : keys.keys.slice(0, 1)
}

async function makePair(): Promise<{ privateKey: JWK; publicKey: JWK }> {
  const pair = await generateKeyPair(TOKEN_ALGORITHM, { crv: 'Ed25519', extractable: true })
  const publicKey = await exportJWK(pair.publicKey)
  // Named by its content (RFC 7638): nobody has to invent names, and none is given twice.
  const common = { kid: await calculateJwkThumbprint(publicKey), alg: TOKEN_ALGORITHM, use: 'sig' }
  return {
    privateKey: { ...(await exportJWK(pair.privateKey)), ...common },
    publicKey: { ...publicKey, ...common },
  }
}

/** One file a name, for its owner's eyes only. `wrangler secret put NAME < FOLDER/NAME` takes them as they are. */
export function writeKeys(folder: string, keys: Keys): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const fileOf = (name: string) => path.join(folder, name)
  // All written before the first is renamed into place: a full disk must not leave keys that do not fit each other.
  for (const name of KEY_NAMES) {
    rmSync(`${fileOf(name)}.new`, { force: true })
    writeFileSync(`${fileOf(name)}.new`, `${JSON.stringify(keys[name])}\n`, { mode: 0o600 })
  }
  for (const name of KEY_NAMES) renameSync(`${fileOf(name)}.new`, fileOf(name))
}

/** Null when the folder has none. @throws Problem when it has some of them, or they can't be read */
export function readKeys(folder: string): Keys | null {
  const read = (name: (typeof KEY_NAMES)[number]) => {
    try {
      return JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as unknown
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw unreadable(folder, name, error)
    }
  }
  const found = Object.fromEntries(KEY_NAMES.map((name) => [name, read(name)]))
  const missing = KEY_NAMES.filter((name) => found[name] === null)
  if (missing.length === KEY_NAMES.length) return null
  const [first] = missing
  if (first !== undefined) throw unreadable(folder, first)
  return found as unknown as Keys
}

function unreadable(folder: string, name: string, cause?: unknown): Problem {
  return new Problem(
    `${path.join(folder, name)} is missing or damaged.`,
    'Bring it back from where keys are kept, or take another folder: npm run worker:keys -- --folder PATH',
    { cause },
  )
}
