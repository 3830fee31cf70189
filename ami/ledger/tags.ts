// What everything that a bake makes carries from the first moment: the sweeper finds by it what nobody remembers.
import { TAG } from '../../infra/bootstrap/rights.ts'
import type { LedgerState } from './ledger.ts'

/** Keys of tags. */
export const TAGS = { bake: 'terrace-bake', inputs: 'terrace-inputs', expires: 'terrace-expires' } as const

export function tagsOf(
  { bake, inputs, expires }: Pick<LedgerState, 'bake' | 'inputs' | 'expires'>,
  name: string,
): { Key: string; Value: string }[] {
  return [
    { Key: TAG.key, Value: TAG.value },
    { Key: TAGS.bake, Value: bake },
    { Key: TAGS.inputs, Value: inputs },
    { Key: TAGS.expires, Value: expires },
    { Key: 'Name', Value: name },
  ]
}
