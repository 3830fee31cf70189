// Templates for tests: of every stage as the table has it, with a sample image set.
import type { Template } from './cfn.ts'
import { imagesFor } from './images.ts'
import { SAMPLE_IMAGES } from './sample-images.ts'
import { terrace } from './stack.ts'
import type { Stage } from './stage-schema.ts'
import { STAGES, type StageName } from './stages.ts'

/** A search domain that a protected stage can have. */
export const SAMPLE_SEARCH = {
  engine: 'opensearch',
  instanceType: 'r7g.large.search',
  instances: 2,
  managers: 'm7g.medium.search',
  volumeGiB: 100,
} as const satisfies Stage['search']

export const sample = (
  name: StageName,
  changes: Partial<Stage> = {},
): { stage: Stage; template: Template } => {
  const stage = { ...STAGES[name], ...changes }
  const images = stage.fleet === 'serving' ? imagesFor(name, stage, SAMPLE_IMAGES) : undefined
  return { stage, template: terrace(name, stage, images) }
}
