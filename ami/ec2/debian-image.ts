// Debian's own image for EC2, of the suite that images are made of.
import { DescribeImagesCommand } from '@aws-sdk/client-ec2'
import type { Aws } from '../../aws/port.ts'
import { DEBIAN_OWNER } from '../../infra/bootstrap/names.ts'
import { BakeFailure } from '../ledger/failure.ts'

export interface DebianImage {
  readonly id: string
  readonly name: string
  readonly rootDevice: string
}

/** Dated, so that the last one by name is the newest. Debian's numbers of suites are in no package of ours. */
const NAMES = 'debian-13-amd64-*'

/** @throws BakeFailure when the region has none */
export async function newestDebian(aws: Aws): Promise<DebianImage> {
  const { Images: found = [] } = await aws.ec2.send(
    new DescribeImagesCommand({
      // Anybody may give an image that name.
      Owners: [DEBIAN_OWNER],
      Filters: [
        { Name: 'name', Values: [NAMES] },
        { Name: 'architecture', Values: ['x86_64'] },
        { Name: 'state', Values: ['available'] },
      ],
    }),
  )
  const newest = found
    .flatMap(({ ImageId: id, Name: name, RootDeviceName: rootDevice }) =>
      id === undefined || name === undefined || rootDevice === undefined ? [] : [{ id, name, rootDevice }],
    )
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .at(-1)
  if (newest === undefined)
    throw new BakeFailure(
      `${aws.region} has no image ${NAMES} of Debian (account ${DEBIAN_OWNER}), which a builder is started from. Nothing was started; ` +
        '--builder local needs none.',
    )
  return newest
}
