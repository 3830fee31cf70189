import { defineConfig } from 'vitest/config'

/** `npm run test:distributed`: what needs real OpenSearch nodes, which come neither from npm nor from Debian. */
export default defineConfig({
  test: {
    include: ['api/**/*.distributed.test.ts'],
    globalSetup: ['api/test/global-setup.ts', 'api/test/opensearch-setup.ts'],
    maxWorkers: 1,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
