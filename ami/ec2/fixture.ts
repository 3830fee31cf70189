// An image that somebody else has made, to start instances from.
import type { StandIn } from '../../aws/stand-in/stand-in.ts'

export function placeImage({ compute: { images, snapshots } }: StandIn, id: string): void {
  const snapshot = snapshots.begin({
    volumeSize: 8,
    encrypted: false,
    key: undefined,
    description: '',
    tags: new Map(),
  })
  images.all.set(id, {
    id,
    name: 'debian',
    description: '',
    snapshot: snapshot.id,
    volumeSize: 8,
    architecture: 'x86_64',
    virtualization: 'hvm',
    bootMode: 'uefi',
    imds: 'v2.0',
    ena: true,
    rootDevice: '/dev/xvda',
    tags: new Map(),
    madeAt: new Date(0),
    state: 'available',
    reason: undefined,
    deprecatedAt: undefined,
  })
}
