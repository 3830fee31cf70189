// Database instances and snapshots, whose states last.
import type {
  CreateDBSnapshotCommandInput,
  DeleteDBSnapshotCommandInput,
  DescribeDBInstancesCommandInput,
  DescribeDBSnapshotsCommandInput,
  ModifyDBInstanceCommandInput,
} from '@aws-sdk/client-rds'
import type { VirtualClock } from './clock.ts'
import { awsError, type Operations } from './service.ts'
import { MODIFY_DATABASE, SNAPSHOT } from './timings.ts'

export interface Instance {
  status: 'creating' | 'available' | 'modifying' | 'backing-up' | 'deleting'
  deletionProtection: boolean
  readonly source: string | undefined
}
interface Snapshot {
  status: 'creating' | 'available'
  readonly instance: string
  readonly at: Date
}

export class Databases {
  readonly instances = new Map<string, Instance>()
  readonly snapshots = new Map<string, Snapshot>()
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  #instance(id: string): Instance {
    const found = this.instances.get(id)
    if (found === undefined) throw awsError('DBInstanceNotFoundFault', `DBInstance ${id} not found.`, 404)
    return found
  }

  snapshot(id: string, instance: string): void {
    const snapshot: Snapshot = { status: 'creating', instance, at: this.#clock.now() }
    this.snapshots.set(id, snapshot)
    this.#clock.after(SNAPSHOT * 1000, () => {
      snapshot.status = 'available'
    })
  }

  readonly operations: Operations = {
    DescribeDBInstances: ({ DBInstanceIdentifier: id }: DescribeDBInstancesCommandInput) => {
      if (id !== undefined) this.#instance(id)
      return {
        DBInstances: [...this.instances]
          .filter(([name]) => id === undefined || name === id)
          .map(([name, { status, deletionProtection, source }]) => ({
            DBInstanceIdentifier: name,
            DBInstanceStatus: status,
            DeletionProtection: deletionProtection,
            ...(source !== undefined && { ReadReplicaSourceDBInstanceIdentifier: source }),
            ReadReplicaDBInstanceIdentifiers: [...this.instances]
              .filter(([, other]) => other.source === name)
              .map(([other]) => other),
          })),
      }
    },
    ModifyDBInstance: (input: ModifyDBInstanceCommandInput) => {
      const { DBInstanceIdentifier: id = '', ApplyImmediately, DeletionProtection, ...others } = input
      const unknown = Object.keys(others)
      if (unknown.length > 0)
        throw new Error(`The stand-in for RDS modifies no ${unknown.join(', ')} of an instance`)
      const instance = this.#instance(id)
      if (instance.status !== 'available')
        throw awsError('InvalidDBInstanceStateFault', `Database instance is not in available state.`)
      // A setting of the service and not of the instance: it holds at once.
      if (DeletionProtection !== undefined) instance.deletionProtection = DeletionProtection
      instance.status = 'modifying'
      this.#clock.after(MODIFY_DATABASE * 1000, () => {
        if (instance.status === 'modifying') instance.status = 'available'
      })
      return { DBInstance: { DBInstanceIdentifier: id } }
    },
    CreateDBSnapshot: (input: CreateDBSnapshotCommandInput) => {
      const { DBInstanceIdentifier: id = '', DBSnapshotIdentifier: name = '' } = input
      const instance = this.#instance(id)
      if (this.snapshots.has(name))
        throw awsError(
          'DBSnapshotAlreadyExistsFault',
          `Cannot create the snapshot because a snapshot with the identifier ${name} already exists.`,
        )
      if (instance.status !== 'available')
        throw awsError(
          'InvalidDBInstanceStateFault',
          `Instance ${id} is not in available state: ${instance.status}`,
        )
      instance.status = 'backing-up'
      this.snapshot(name, id)
      this.#clock.after(SNAPSHOT * 1000, () => {
        if (instance.status === 'backing-up') instance.status = 'available'
      })
      return { DBSnapshot: { DBSnapshotIdentifier: name, Status: 'creating', DBInstanceIdentifier: id } }
    },
    DeleteDBSnapshot: ({ DBSnapshotIdentifier: name = '' }: DeleteDBSnapshotCommandInput) => {
      const found = this.snapshots.get(name)
      if (found === undefined) throw awsError('DBSnapshotNotFoundFault', `DBSnapshot ${name} not found.`, 404)
      if (found.status !== 'available')
        throw awsError(
          'InvalidDBSnapshotStateFault',
          `Cannot delete the snapshot because it is not currently in the available state.`,
        )
      this.snapshots.delete(name)
      return {}
    },
    DescribeDBSnapshots: (input: DescribeDBSnapshotsCommandInput) => {
      const { DBSnapshotIdentifier: name, DBInstanceIdentifier: instance } = input
      if (name !== undefined && !this.snapshots.has(name))
        throw awsError('DBSnapshotNotFoundFault', `DBSnapshot ${name} not found.`, 404)
      return {
        DBSnapshots: [...this.snapshots]
          .filter(([id, one]) => (name ?? id) === id && (instance ?? one.instance) === one.instance)
          .map(([id, one]) => ({
            DBSnapshotIdentifier: id,
            DBInstanceIdentifier: one.instance,
            Status: one.status,
            SnapshotCreateTime: one.at,
          })),
      }
    },
  }
}
