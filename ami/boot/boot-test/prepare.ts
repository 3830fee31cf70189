// What the servers of a machine are told that only tests its image: so much of an environment as the launch data alone
// give. The file `boot-test.json` beside it is what units look for (their ConditionPathExists=): the API's servers are not
// started, since there is no database, and the boot test is.
import path from 'node:path'
import type { BootTestData } from '../../../contract/boot-test.ts'
import { PORTS } from '../../../contract/ports.ts'
import { checkEnvironment } from '../check.ts'
import { formatEnvironment, writeInMemory } from '../environment-file.ts'
import type { Journal } from '../journal.ts'
import { type ImageRecord, readOwnRecord } from '../launch.ts'
import type { Values } from '../settings.ts'

/** Whether this is the image that is meant the test itself says: here it would not be heard. */
export async function prepareBootTest(
  { imageFile, folder, journal }: { imageFile: string; folder: string; journal: Journal },
  { bootTest }: BootTestData,
): Promise<void> {
  const image = await readOwnRecord(imageFile)
  const variables = environmentOf(image)
  if (image.tier === 'web') await checkEnvironment('web', variables)
  await writeInMemory(path.join(folder, 'environment'), formatEnvironment(variables))
  await writeInMemory(path.join(folder, 'boot-test.json'), `${JSON.stringify(bootTest)}\n`, 0o644)
  journal.info(`This machine tests its image, ${image.tier} of release ${image.release}, and serves nobody.`)
}

const environmentOf = ({ tier, release, madeAt }: ImageRecord): Values => ({
  TERRACE_RELEASE: release,
  TERRACE_IMAGE_MADE_AT: madeAt,
  ...(tier === 'web' && {
    HOSTNAME: '127.0.0.1',
    PORT: String(PORTS.web),
    // Nobody listens there: its pages come without.
    API_URL: `http://127.0.0.1:${PORTS.api}`,
    TRUSTED_PROXY_HOPS: '0',
  }),
})
