// The list of Debian packages that an image set was made of, beside its record: named by its hash, so that sets of one
// list share it, and whoever reads a record can tell that it is the one.
import type { Aws } from '../../aws/port.ts'
import type { Home } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { writeObject } from './record.ts'

/**
 * Before the record that names it.
 * @throws BakeFailure when there is no state bucket
 */
export async function writePackages(
  aws: Aws,
  home: Home,
  list: { readonly text: string; readonly sha256: string },
): Promise<void> {
  // False: it is there.
  await writeObject(aws, home, LAYOUT.packages(list.sha256), list.text, undefined)
}
