// What an image set was made of and what is in it, beside its record: each named by its hash, so that sets of one list
// share it, and whoever reads a record can tell that it is the one.
import type { Aws } from '../../aws/port.ts'
import type { Home } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { writeObject } from './record.ts'

/**
 * Before the record that names it.
 * @throws BakeFailure when there is no state bucket
 */
export async function writePackages(aws: Aws, home: Home, list: Named): Promise<void> {
  // False: it is there.
  await writeObject(aws, home, LAYOUT.packages(list.sha256), list.text, undefined)
}

/** The same of the SBOM of both images. @throws BakeFailure when there is no state bucket */
export async function writeSboms(aws: Aws, home: Home, sbom: Named): Promise<void> {
  await writeObject(aws, home, LAYOUT.sbom(sbom.sha256), sbom.text, undefined)
}

interface Named {
  readonly text: string
  /** Of the text, in hex. */
  readonly sha256: string
}
