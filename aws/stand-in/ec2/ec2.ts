// EC2: snapshots, the images that are made of them, the instances that are started from those, and who else names images.
import type { VirtualClock } from '../clock.ts'
import type { Operations } from '../service.ts'
import { Images } from './images.ts'
import { Instances } from './instances.ts'
import { LaunchTemplates } from './launch-templates.ts'
import { Ids } from './listing.ts'
import { Snapshots } from './snapshots.ts'

export class Compute {
  readonly snapshots: Snapshots
  readonly images: Images
  readonly instances: Instances
  readonly templates = new LaunchTemplates()
  readonly operations: Operations

  constructor(account: string, clock: VirtualClock) {
    const ids = new Ids()
    this.snapshots = new Snapshots(account, clock, ids)
    this.images = new Images(account, clock, ids, this.snapshots)
    this.instances = new Instances(clock, ids, this.images, () => this.snapshots.lag)
    this.operations = {
      ...this.snapshots.operations,
      ...this.images.operations,
      ...this.instances.operations,
      ...this.templates.operations,
    }
  }
}
