// Where images are booted on EC2: where the bootstrap has its builders.
import { BOOTSTRAP_STACK, type Home } from '../../infra/bootstrap/names.ts'
import { BakeFailure } from '../ledger/failure.ts'

export interface BootPlace {
  /** In zones that differ. */
  readonly subnets: readonly string[]
  readonly group: string
}

/**
 * @param output of the bootstrap's stack, by its name
 * @throws BakeFailure when it has no builders' network
 */
export function bootPlaceOf(home: Home, output: (name: string) => string | undefined): BootPlace {
  const subnets = ['BuilderSubnet1', 'BuilderSubnet2'].map(output).filter((id) => id !== undefined)
  const group = output('BuilderSecurityGroup')
  if (subnets.length > 0 && group !== undefined) return { subnets, group }
  throw new BakeFailure(
    `${BOOTSTRAP_STACK} of account ${home.account} in ${home.region} does not say where images are to be booted (BuilderSubnet1, ` +
      'BuilderSecurityGroup): npm run bootstrap brings it up to date. Nothing was made.',
  )
}
