import { defineConfig } from 'vitest/config'

/** `npm run test:s3`: what needs a real S3 server, which comes neither from npm nor from Debian. */
export default defineConfig({
  test: {
    include: ['api/**/*.s3.test.ts'],
    globalSetup: ['api/test/global-setup.ts', 'api/test/s3-setup.ts'],
    maxWorkers: 1,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
