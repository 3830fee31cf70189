// The EBS direct APIs: a snapshot is begun, its blocks are put in any order and as often as one likes, and it is sealed
// with how many there were and one checksum over all of theirs. Limits are those of the service's model.
import { createHash } from 'node:crypto'
import type {
  CompleteSnapshotCommandInput,
  PutSnapshotBlockCommandInput,
  StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs'
import type { VirtualClock } from './clock.ts'
import { MOST_TAGS, tagsOf } from './ec2/listing.ts'
import type { NewSnapshot, Snapshot, Snapshots } from './ec2/snapshots.ts'
import { awsError, type Operations } from './service.ts'

export const BLOCK_BYTES = 524_288
const BLOCKS_PER_GIB = 2 ** 30 / BLOCK_BYTES
const MINUTES = { least: 10, most: 4_320, usual: 60 } as const
const LARGEST_GIB = 65_536

const invalid = (Reason: string, message: string): Error =>
  Object.assign(awsError('ValidationException', message), { Reason })
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest()

export class DirectAccess {
  /** How many of the next blocks are damaged on their way. */
  damages = 0
  readonly #tokens = new Map<string, { readonly asked: string; readonly id: string }>()
  readonly #clock: VirtualClock
  readonly #snapshots: Snapshots

  constructor(clock: VirtualClock, snapshots: Snapshots) {
    this.#clock = clock
    this.#snapshots = snapshots
  }

  #start(input: StartSnapshotCommandInput): object {
    const { ClientToken: token = '', ...rest } = input
    const asked = JSON.stringify(rest)
    const before = this.#tokens.get(token)
    if (before !== undefined && before.asked !== asked)
      throw awsError('ConflictException', 'The client token was used with other parameters', 409)
    const known = before && this.#snapshots.all.get(before.id)
    // AWS does not say what a token gives whose snapshot is gone: nothing that anyone could use.
    if (before !== undefined && known === undefined) throw notFound(before.id)
    const snapshot = known ?? this.#begin(input)
    if (token !== '') this.#tokens.set(token, { asked, id: snapshot.id })
    return {
      SnapshotId: snapshot.id,
      Status: snapshot.state,
      BlockSize: BLOCK_BYTES,
      VolumeSize: snapshot.volumeSize,
      StartTime: snapshot.startedAt,
      ...(snapshot.key !== undefined && { KmsKeyArn: snapshot.key }),
    }
  }

  #begin(input: StartSnapshotCommandInput): Snapshot {
    const { VolumeSize: gib = 0, Timeout: minutes = MINUTES.usual } = input
    if (!Number.isInteger(gib) || gib < 1 || gib > LARGEST_GIB)
      throw invalid('INVALID_VOLUME_SIZE', `Volume size ${gib} is invalid`)
    if (!Number.isInteger(minutes) || minutes < MINUTES.least || minutes > MINUTES.most)
      throw invalid('INVALID_PARAMETER_VALUE', `Timeout ${minutes} is not between 10 and 4320`)
    const { Description: description = '', Tags: tags = [] } = input
    if (description.length > 255) throw invalid('INVALID_PARAMETER_VALUE', 'The description is too long')
    if (tags.length > MOST_TAGS) throw invalid('INVALID_TAG', `A snapshot has at most ${MOST_TAGS} tags`)
    for (const { Key = '', Value = '' } of tags)
      if (Key === '' || Key.length > 127 || Value.length > 255 || /^aws:/i.test(Key))
        throw invalid('INVALID_TAG', `Tag ${Key} is invalid`)
    const snapshot = this.#snapshots.begin({
      volumeSize: gib,
      description,
      tags: tagsOf(tags),
      ...this.#encryption(input, gib),
    })
    this.#expire(snapshot, minutes, this.#clock.now().getTime())
    return snapshot
  }

  #encryption(input: StartSnapshotCommandInput, gib: number): Pick<NewSnapshot, 'encrypted' | 'key'> {
    const { ParentSnapshotId: parentId, Encrypted: encrypted, KmsKeyArn: key } = input
    if (parentId === undefined) {
      if (key !== undefined && encrypted !== true)
        throw invalid('INVALID_PARAMETER_VALUE', 'A key needs Encrypted')
      return { encrypted: encrypted === true, key }
    }
    if (encrypted !== undefined)
      throw invalid('INVALID_PARAMETER_VALUE', 'ParentSnapshotId and Encrypted exclude each other')
    const parent = this.#snapshots.seen(parentId)
    if (parent?.state !== 'completed') throw notFound(parentId)
    if (gib < parent.volumeSize)
      throw invalid('INVALID_VOLUME_SIZE', `Volume size ${gib} is below that of the parent`)
    return { encrypted: parent.encrypted, key: parent.key }
  }

  /** Nothing put and nothing sealed for so long: AWS gives it up. */
  #expire(snapshot: Snapshot, minutes: number, since: number): void {
    this.#lastWrite.set(snapshot.id, since)
    const look = () => {
      if (snapshot.sealed || snapshot.state !== 'pending') return
      const due = (this.#lastWrite.get(snapshot.id) ?? since) + minutes * 60_000
      const left = due - this.#clock.now().getTime()
      if (left > 0) return this.#clock.after(left, look)
      snapshot.state = 'error'
      snapshot.message = 'The snapshot was not completed in time'
    }
    this.#clock.after(minutes * 60_000, look)
  }
  readonly #lastWrite = new Map<string, number>()

  #pending(id: string | undefined): Snapshot {
    const snapshot = this.#snapshots.seen(id ?? '')
    if (snapshot === undefined) throw notFound(id ?? '')
    if (snapshot.sealed || snapshot.state !== 'pending')
      throw invalid('INVALID_SNAPSHOT_ID', `Snapshot ${id} is not in a pending state`)
    return snapshot
  }

  #put(input: PutSnapshotBlockCommandInput): object {
    const snapshot = this.#pending(input.SnapshotId)
    const { BlockIndex: index = -1, BlockData: data, DataLength: length, Checksum: checksum } = input
    if (!Number.isInteger(index) || index < 0 || index >= snapshot.volumeSize * BLOCKS_PER_GIB)
      throw invalid('INVALID_BLOCK', `Block index ${index} is outside of the volume`)
    if (!(data instanceof Uint8Array)) throw new Error('The stand-in for EBS takes bytes only')
    if (length !== BLOCK_BYTES || data.length !== BLOCK_BYTES)
      throw invalid('INVALID_PARAMETER_VALUE', `A block has ${BLOCK_BYTES} bytes, not ${data.length}`)
    if (input.ChecksumAlgorithm !== 'SHA256')
      throw invalid('INVALID_PARAMETER_VALUE', 'The only algorithm is SHA256')
    const digest = sha256(data)
    if (this.damages > 0) {
      this.damages--
      digest.fill(0)
    }
    if (digest.toString('base64') !== checksum)
      throw invalid('INVALID_BLOCK', 'The checksum of the data is not the one that was given')
    snapshot.digests.set(index, digest)
    this.#lastWrite.set(snapshot.id, this.#clock.now().getTime())
    return { Checksum: checksum, ChecksumAlgorithm: 'SHA256' }
  }

  #complete(input: CompleteSnapshotCommandInput): object {
    const snapshot = this.#pending(input.SnapshotId)
    const { digests } = snapshot
    if (input.ChangedBlocksCount !== digests.size)
      throw invalid(
        'INVALID_PARAMETER_VALUE',
        `${digests.size} blocks were written, not ${input.ChangedBlocksCount}`,
      )
    if (input.Checksum !== undefined) {
      if (input.ChecksumAlgorithm !== 'SHA256' || input.ChecksumAggregationMethod !== 'LINEAR')
        throw invalid('INVALID_PARAMETER_VALUE', 'A checksum is SHA256, LINEAR')
      const inOrder = [...digests].sort(([a], [b]) => a - b).map(([, digest]) => digest)
      if (sha256(Buffer.concat(inOrder)).toString('base64') !== input.Checksum)
        throw invalid('INVALID_PARAMETER_VALUE', 'The checksum is not that of the blocks which were written')
    }
    this.#snapshots.seal(snapshot)
    return { Status: 'pending' }
  }

  readonly operations: Operations = {
    StartSnapshot: (input: StartSnapshotCommandInput) => this.#start(input),
    PutSnapshotBlock: (input: PutSnapshotBlockCommandInput) => this.#put(input),
    CompleteSnapshot: (input: CompleteSnapshotCommandInput) => this.#complete(input),
  }
}

const notFound = (id: string): Error =>
  Object.assign(awsError('ResourceNotFoundException', `The snapshot '${id}' does not exist.`, 404), {
    Reason: 'SNAPSHOT_NOT_FOUND',
  })
