// What the commands of the endpoint share: where its keys lie, and that a mistake is a sentence and not a stack.
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { JWK } from 'jose'
import { explain, Problem } from '../../local/problem.ts'
import { ENDPOINT_KEYS, readSettings } from '../../local/settings.ts'
import { readKeys } from './key-pairs.ts'

/** Runs a command; whatever it throws is printed as a person should read it. */
export async function command(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const mistyped =
      error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
    console.error(mistyped ? error.message : explain(error))
    process.exitCode = 1
  }
}

/** Text options by name, each `--name value`; flags are `--name`. @throws TypeError for others */
export function options<const T extends string, const F extends string = never>(
  names: readonly T[],
  flags: readonly F[] = [],
): { [name in T]?: string } & { [name in F]?: boolean } {
  const wanted = {
    ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean' as const }])),
  }
  return parseArgs({ options: wanted }).values as { [name in T]?: string } & { [name in F]?: boolean }
}

export function keyFolder(given: string | undefined): string {
  return path.resolve(given ?? path.join(readSettings(process.env).home, ENDPOINT_KEYS))
}

/** LLAMMA_SIGNING_KEY: of the environment, else of the folder. @throws Problem when there is none */
export function signingKey(folder: string): JWK {
  const given = process.env.LLAMMA_SIGNING_KEY
  if (given === undefined || given === '') {
    const key = readKeys(folder)?.LLAMMA_SIGNING_KEY
    if (key !== undefined) return key
    throw new Problem(
      `There is no key to sign with: LLAMMA_SIGNING_KEY is not set, and ${folder} has none.`,
      'Make the keys with npm run worker:keys, or set LLAMMA_SIGNING_KEY.',
    )
  }
  try {
    const key = JSON.parse(given) as JWK
    if (typeof key.d === 'string') return key
  } catch {
    // said below
  }
  throw new Problem(
    'LLAMMA_SIGNING_KEY is not a private key.',
    'It is the JSON that npm run worker:keys makes.',
  )
}
