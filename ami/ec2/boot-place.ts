// Where images are booted on EC2: where the bootstrap has its builders.
import { BOOTSTRAP_STACK, type Home } from '../../infra/bootstrap/names.ts'
import { BakeFailure } from '../ledger/failure.ts'

export interface BootPlace {
  /** In zones that differ. */
  readonly subnets: readonly string[]
  readonly group: string
}

/** Of the bootstrap's stack, by its name. */
type Output = (name: string) => string | undefined

/** @returns undefined when the bootstrap has no network for builders */
export function builderPlace(output: Output): BootPlace | undefined {
  const subnets = ['BuilderSubnet1', 'BuilderSubnet2'].map(output).filter((id) => id !== undefined)
  const group = output('BuilderSecurityGroup')
  return subnets.length > 0 && group !== undefined ? { subnets, group } : undefined
}

/** @throws BakeFailure when the bootstrap has no network for builders */
export function bootPlaceOf(home: Home, output: Output): BootPlace {
  const place = builderPlace(output)
  if (place !== undefined) return place
  throw new BakeFailure(
    `${BOOTSTRAP_STACK} of account ${home.account} in ${home.region} does not say where images are to be booted (BuilderSubnet1, ` +
      'BuilderSecurityGroup): npm run bootstrap brings it up to date. Nothing was made.',
  )
}
