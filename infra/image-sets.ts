// Where the state bucket keeps which images a stage runs: an immutable record for each image set, under the hash of what
// it was made from, and for each stage two pointers that say which record it runs and which one it is to run next.
// A bake writes a record once; a release moves the pointers; everyone else reads.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import type { ImageChoice, ImageSet } from './images.ts'
import type { StageName } from './stages.ts'

/** Keys of the state bucket, and folders of it. */
export const LAYOUT = {
  /** What bakes upload and write; removed after two weeks. */
  bakes: 'bakes/',
  /** @param inputs SHA-256 over everything that the images were made from, in hex */
  record: (inputs: string) => `image-sets/${inputs}.json`,
  /** The list of Debian packages that a record names. @param sha256 of that list, in hex */
  packages: (sha256: string) => `image-packages/${sha256}.json`,
  /** The static files of a set's pages. @param sha256 of them, in hex */
  staticFiles: (sha256: string) => `image-static/${sha256}.json`,
  /** Which set's static files images of these inputs carry too. @param base the inputs without that, SHA-256 in hex */
  base: (base: string) => `image-bases/${base}.json`,
  /** What is in the images of a set, that a record names. @param sha256 of that SBOM, in hex */
  sbom: (sha256: string) => `image-sboms/${sha256}.json`,
  pointer: (stage: StageName, choice: ImageChoice) => `stages/${stage}/images/${choice}.json`,
} as const

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex')
/** A pointer: the record's name, and a hash of what it says, since whoever may write there could write another. */
export const pointerSchema = z.object({ inputs: sha256, sha256 })
export type ImagePointer = Readonly<z.infer<typeof pointerSchema>>

/** SHA-256 of a record in the one form that JSON has (RFC 8785), in hex. */
export const hashOf = (record: ImageSet): string =>
  createHash('sha256')
    .update(canonicalize(record) ?? '')
    .digest('hex')
