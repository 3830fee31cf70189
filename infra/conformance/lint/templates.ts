// Every template that this repository sends to AWS, by name, with sample images.
import type { Template } from '../../cfn.ts'
import { sample } from '../../samples.ts'
import { STAGE_NAMES } from '../../stages.ts'

export function templates(): ReadonlyMap<string, Template> {
  return new Map(
    STAGE_NAMES.flatMap((name): [string, Template][] => [
      [name, sample(name).template],
      [`${name} without servers`, sample(name, { fleet: 'none' }).template],
    ]),
  )
}
