// Asks who knows of weaknesses, and judges. A source that can't be reached is said: an image that nobody could look at is
// uploaded only when a person says why.
import type { ImageSet } from '../../infra/images.ts'
import { Problem } from '../../local/problem.ts'
import type { Bom } from '../sbom/sbom.ts'
import { debianFindings } from './debian.ts'
import { type Finding, SOURCES, type Source } from './finding.ts'
import { judge, linesOf } from './gate.ts'
import { npmFindings } from './npm.ts'
import { WAIVERS, type Waiver } from './waivers.ts'

const TRACKER = 'https://security-tracker.debian.org/tracker/data/json'
/** It is some 70 MB. */
const LONGEST_MS = 300_000

export type Sources = Readonly<Record<Source, (bom: Bom) => Promise<Finding[]>>>

/** @param env DEBIAN_SECURITY_TRACKER: another address of the same data */
export const sourcesOf = (env: NodeJS.ProcessEnv = process.env): Sources => ({
  debian: async (bom) => {
    const response = await fetch(env.DEBIAN_SECURITY_TRACKER || TRACKER, {
      signal: AbortSignal.timeout(LONGEST_MS),
    })
    if (response.status !== 200) throw new Error(`it answers ${response.status}`)
    return debianFindings(bom, await response.json())
  },
  npm: () => npmFindings(),
})

export interface Scanning {
  readonly bom: Bom
  readonly now: Date
  readonly say: (line: string) => void
  /** Whether what is found stops anything; else it is said only. */
  readonly stops: boolean
  /** Why it may go on without a source. */
  readonly allowUnscanned: string | undefined
  readonly sources?: Sources
  readonly waivers?: readonly Waiver[]
}

/**
 * @returns what the record of the image set says of it
 * @throws Problem naming what stops it
 */
export async function scan(of: Scanning): Promise<NonNullable<ImageSet['scan']>> {
  const { bom, now, say, sources = sourcesOf(), waivers = WAIVERS } = of
  const found: Finding[] = []
  const silent: string[] = []
  for (const source of SOURCES)
    try {
      found.push(...(await sources[source](bom)))
    } catch (error) {
      silent.push(source)
      say(`${NAMES[source]} could not be asked: ${reasonOf(error)}`)
    }
  const verdict = judge(found, waivers, now, silent.length === 0)
  for (const line of linesOf(verdict)) say(line)
  if (of.stops && verdict.blocking.length > 0) throw blocked(verdict.blocking)
  if (of.stops && silent.length > 0 && of.allowUnscanned === undefined) throw unscanned(silent)
  return {
    at: now.toISOString(),
    sources: SOURCES.filter((source) => !silent.includes(source)),
    waived: verdict.waived.map(({ finding }) => finding.id),
    ...(silent.length > 0 && of.allowUnscanned !== undefined && { unscanned: of.allowUnscanned }),
  }
}

const NAMES: Readonly<Record<Source, string>> = {
  debian: 'Debian’s security tracker',
  npm: 'npm’s registry, of weaknesses',
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

const blocked = (blocking: readonly Finding[]) =>
  new Problem(
    `These images would ship what is known to be weak, and is fixed elsewhere: ${blocking
      .slice(0, 10)
      .map(({ id, package: name, version }) => `${id} (${name} ${version})`)
      .join(', ')}${blocking.length > 10 ? ` and ${blocking.length - 10} more` : ''}. Nothing was sent.`,
    'Bake of a newer mirror, update the package, or say in ami/scan/waivers.ts why it may pass, and until when.',
  )

const unscanned = (silent: readonly string[]) =>
  new Problem(
    `Nobody could look for weaknesses in these images: ${silent.join(' and ')} could not be asked. Nothing was sent.`,
    'Run it where they are reached, or say why it may go without: --allow-unscanned "REASON". The reason stands in the record.',
  )
