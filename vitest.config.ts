import path from 'node:path'
import { configDefaults, defineConfig } from 'vitest/config'

/** Tests that start the whole product; they come last, one after the other, with the web tier built. */
const PRODUCT = 'local/**/*.product.test.ts'
/** Tests that need an S3 server: `npm run test:s3` (vitest.s3.config.ts). */
const S3 = '**/*.s3.test.ts'
/** Tests that need OpenSearch nodes: `npm run test:distributed` (vitest.distributed.config.ts). */
const DISTRIBUTED = '**/*.distributed.test.ts'
/** Tests that need AWS or an emulator: `npm run test:aws` (vitest.aws.config.ts). */
const AWS = '**/*.aws.test.ts'
/** Tests that build or boot an image: `npm run test:images` (vitest.images.config.ts). */
const IMAGE = '**/*.image.test.ts'
/** Tests of the API that need the model endpoint's bundle. */
const ENDPOINT = 'api/**/*.endpoint.test.ts'

export default defineConfig({
  test: {
    // Two cores: more workers only make the timing-free tests slower.
    maxWorkers: 2,
    // Only against tests that hang: a busy machine must not fail a test.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    // On CI a test that needed a second try is named in the report, and does not stop everything else.
    retry: process.env.CI ? 2 : 0,
    // Where `npm test` puts the embedder's weights.
    env: { MODEL_DIR: process.env.MODEL_DIR || path.join(import.meta.dirname, '.native/models') },
    projects: [
      {
        extends: true,
        test: {
          name: 'api',
          include: [
            'api/**/*.test.ts',
            'contract/**/*.test.ts',
            'local/**/*.test.ts',
            'infra/**/*.test.ts',
            'aws/**/*.test.ts',
            'prisma/**/*.test.ts',
          ],
          exclude: [...configDefaults.exclude, PRODUCT, S3, DISTRIBUTED, AWS, ENDPOINT],
          globalSetup: ['api/test/global-setup.ts'],
        },
      },
      { extends: true, test: { name: 'web', include: ['web/**/*.test.{ts,tsx}'] } },
      {
        extends: true,
        test: {
          name: 'worker',
          include: ['worker/**/*.test.ts'],
          globalSetup: ['worker/test/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'ami', include: ['ami/**/*.test.ts'], exclude: [...configDefaults.exclude, IMAGE] },
      },
      {
        extends: true,
        test: {
          name: 'endpoint',
          include: [ENDPOINT],
          globalSetup: ['worker/test/global-setup.ts', 'api/test/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'product', include: [PRODUCT], testTimeout: 300_000, hookTimeout: 300_000 },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['e2e/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
      },
    ],
  },
})
