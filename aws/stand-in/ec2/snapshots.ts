// Snapshots: begun by ../ebs.ts or with an image, pending for a while, then completed or in error.
import type { DeleteSnapshotCommandInput, DescribeSnapshotsCommandInput } from '@aws-sdk/client-ec2'
import type { VirtualClock } from '../clock.ts'
import { awsError, type Operations } from '../service.ts'
import { SNAPSHOT_OF_VOLUME, SNAPSHOT_SEALED } from '../timings.ts'
import { type Ids, listed, pageOf, passes, type Tags } from './listing.ts'

export interface Snapshot {
  readonly id: string
  /** GiB of the volume. */
  readonly volumeSize: number
  readonly encrypted: boolean
  readonly key: string | undefined
  readonly description: string
  readonly tags: Tags
  readonly startedAt: Date
  state: 'pending' | 'completed' | 'error'
  message: string | undefined
  /** No more blocks are taken. */
  sealed: boolean
  /** SHA-256 of every block that was put, by its index. */
  readonly digests: Map<number, Buffer>
}
export type NewSnapshot = Pick<Snapshot, 'volumeSize' | 'encrypted' | 'key' | 'description' | 'tags'>

export class Snapshots {
  readonly all = new Map<string, Snapshot>()
  /** What is pending stays so. */
  stuck = false
  /** Milliseconds until AWS's other parts know of what was just made. */
  lag = 0
  /** Set by what knows the images. */
  usedBy: (snapshot: string) => string | undefined = () => undefined
  readonly #clock: VirtualClock
  readonly #ids: Ids
  readonly #account: string

  constructor(account: string, clock: VirtualClock, ids: Ids) {
    this.#account = account
    this.#clock = clock
    this.#ids = ids
  }

  begin(of: NewSnapshot): Snapshot {
    const snapshot: Snapshot = {
      ...of,
      id: this.#ids.next('snap'),
      startedAt: this.#clock.now(),
      state: 'pending',
      message: undefined,
      sealed: false,
      digests: new Map(),
    }
    this.all.set(snapshot.id, snapshot)
    return snapshot
  }

  /** Of a volume: AWS reads the blocks itself. */
  ofVolume(of: NewSnapshot, then: (snapshot: Snapshot) => void): Snapshot {
    const snapshot = this.begin(of)
    snapshot.sealed = true
    this.#finish(snapshot, SNAPSHOT_OF_VOLUME, then)
    return snapshot
  }

  seal(snapshot: Snapshot): void {
    snapshot.sealed = true
    this.#finish(snapshot, SNAPSHOT_SEALED)
  }

  #finish(snapshot: Snapshot, seconds: number, then?: (snapshot: Snapshot) => void): void {
    if (this.stuck) return
    this.#clock.after(seconds * 1000, () => {
      if (snapshot.state === 'pending') snapshot.state = 'completed'
      then?.(snapshot)
    })
  }

  /** @returns undefined while it can't be seen */
  seen(id: string): Snapshot | undefined {
    const found = this.all.get(id)
    const isNew = found !== undefined && found.startedAt.getTime() + this.lag > this.#clock.now().getTime()
    return isNew ? undefined : found
  }

  /** @throws InvalidSnapshot.NotFound */
  get(id: string): Snapshot {
    const found = this.seen(id)
    if (found === undefined)
      throw awsError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`)
    return found
  }

  #describe(snapshot: Snapshot) {
    return {
      SnapshotId: snapshot.id,
      OwnerId: this.#account,
      State: snapshot.state,
      ...(snapshot.message !== undefined && { StateMessage: snapshot.message }),
      Progress: snapshot.state === 'completed' ? '100%' : '0%',
      VolumeSize: snapshot.volumeSize,
      Encrypted: snapshot.encrypted,
      ...(snapshot.key !== undefined && { KmsKeyId: snapshot.key }),
      Description: snapshot.description,
      StartTime: snapshot.startedAt,
      Tags: listed(snapshot.tags),
    }
  }

  readonly operations: Operations = {
    DescribeSnapshots: (input: DescribeSnapshotsCommandInput) => {
      const { SnapshotIds: ids, OwnerIds: owners, Filters: filters } = input
      for (const id of ids ?? []) this.get(id)
      const isOurs =
        owners === undefined || owners.some((owner) => owner === 'self' || owner === this.#account)
      const found = [...this.all.values()].filter(
        ({ id, tags, state, description }) =>
          isOurs &&
          this.seen(id) !== undefined &&
          (ids === undefined || ids.includes(id)) &&
          passes(filters, tags, { 'snapshot-id': id, status: state, description }),
      )
      const { page, next } = pageOf(found, input)
      return { Snapshots: page.map((snapshot) => this.#describe(snapshot)), ...next }
    },
    DeleteSnapshot: ({ SnapshotId: id = '' }: DeleteSnapshotCommandInput) => {
      this.get(id)
      const image = this.usedBy(id)
      if (image !== undefined)
        throw awsError('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${image}`)
      this.all.delete(id)
      return {}
    },
  }
}
