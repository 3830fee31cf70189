// The stage table, and an image set that nobody has baked, as if the account of the tests were the team's own.
import { stateBucket as nameOf } from '../../bootstrap/names.ts'
import { SAMPLE_IMAGES } from '../../sample-images.ts'
import { EXAMPLE_ACCOUNT } from '../../stage-schema.ts'
import { STAGES } from '../../stages.ts'

const moved = <T>(value: T, account: string): T =>
  JSON.parse(JSON.stringify(value).replaceAll(EXAMPLE_ACCOUNT, account))

export const inAccount = (account: string): typeof STAGES => moved(STAGES, account)
export const sampleImagesIn = (account: string): typeof SAMPLE_IMAGES => moved(SAMPLE_IMAGES, account)
/** In the region of the stages. */
export const stateBucket = (account: string): string => nameOf({ account, region: STAGES.dev.region })
