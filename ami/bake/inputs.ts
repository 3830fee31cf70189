// What names an image set: a hash over everything that its images are made of. The same inputs are the same set.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { UNCOMMITTED } from '../../infra/images.ts'
import { carrying } from '../image-set/previous.ts'
import type { LockedPackage } from '../local/package-lock.ts'
import type { Tier } from '../recipe/debian.ts'
import { ARCHITECTURE, SUITE } from '../recipe/debian.ts'
import type { Checkout } from './checkout.ts'

/** Raised when the same inputs would make other images for a reason that is not among them. */
const FORMAT = 1

/** Every Debian package that is in an image, and every one that makes images. */
export interface DebianLists {
  readonly images: Readonly<Record<Tier, readonly LockedPackage[]>>
  readonly tools: readonly LockedPackage[]
}

export interface Inputs {
  /** SHA-256 in hex. */
  readonly inputs: string
  /** What servers say they run. It says no more than the inputs do: it is in the images. */
  readonly release: string
  /** The lists of packages in the one form that JSON has (RFC 8785), and their SHA-256 in hex. */
  readonly packages: { readonly text: string; readonly sha256: string }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** RFC 8785. */
function print(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new Error('this has no form in JSON')
  return text
}

/**
 * Those of images whose web tier carries another set's static files too.
 * @param base of the same without
 * @param previous inputs of that set; undefined: it carries none
 */
export function withPrevious(base: Inputs, checkout: Checkout, previous: string | undefined): Inputs {
  if (previous === undefined) return base
  const inputs = carrying(base.inputs, previous)
  return { ...base, inputs, release: releaseOf(checkout, inputs) }
}

function releaseOf({ version, uncommitted }: Checkout, inputs: string): string {
  return `${version}-${inputs.slice(0, 12)}${uncommitted.length === 0 ? '' : UNCOMMITTED}`
}

/**
 * npm's packages, Node among them, and the authorities of RDS are in package-lock.json with their hashes; the recipe and what
 * builds are files of the checkout.
 */
export function inputsOf(checkout: Checkout, debian: DebianLists): Inputs {
  const text = print({ suite: SUITE, architecture: ARCHITECTURE, ...debian })
  const packages = { text: `${text}\n`, sha256: sha256(`${text}\n`) }
  const { model, tokenizer } = EMBEDDER_WEIGHTS.files
  const inputs = sha256(
    print([
      { kind: 'format', version: FORMAT },
      { kind: 'debian', sha256: packages.sha256 },
      { kind: 'weights', files: [model, tokenizer].map((file) => [file.name, file.sha256]) },
      { kind: 'files', files: checkout.files },
      // Two sets that differ in nothing but whether they are committed are two: one of them is refused in production.
      { kind: 'committed', value: checkout.uncommitted.length === 0 },
    ]),
  )
  return { inputs, release: releaseOf(checkout, inputs), packages }
}
