// What lies beside the record of an image set: what it was made of, what is in it, its pages' static files. Each is named by its
// hash, so that sets of one content share it, and whoever reads a record can tell that it is the one.
// Retention removes what no record names and nobody has used for days (ledger/parts.ts). A bake writes its parts hours before
// its record: so it writes them also when they are there, which makes them young, and looks after them once the record is written.
import type { Aws } from '../../aws/port.ts'
import type { Home } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { listObjects, replaceObject } from './record.ts'

export interface Part {
  /** In the state bucket. */
  readonly key: string
  readonly text: string
}

interface Named {
  readonly text: string
  /** Of the text, in hex. */
  readonly sha256: string
}

export const partsOf = (of: {
  /** The list of Debian packages. */
  readonly packages: Named
  /** Of both images. */
  readonly sbom: Named
  readonly staticFiles: Named
}): readonly Part[] => [
  { key: LAYOUT.packages(of.packages.sha256), text: of.packages.text },
  { key: LAYOUT.sbom(of.sbom.sha256), text: of.sbom.text },
  { key: LAYOUT.staticFiles(of.staticFiles.sha256), text: of.staticFiles.text },
]

/**
 * Before the record that names them, by every run of a bake.
 * @throws BakeFailure when there is no state bucket
 */
export async function writeParts(aws: Aws, home: Home, parts: readonly Part[]): Promise<void> {
  for (const { key, text } of parts) await replaceObject(aws, home, key, text)
}

/**
 * After the record that names them. Retention looks for records after it has removed a part, and a bake for parts after it
 * has written a record: whatever the order, one of the two sees what the other one did.
 */
export async function keepParts(aws: Aws, home: Home, parts: readonly Part[]): Promise<void> {
  for (const { key, text } of parts)
    if ((await listObjects(aws, home, key)).length === 0) await replaceObject(aws, home, key, text)
}
