import { defineConfig } from 'vitest/config'

/** `npm run test:aws`: what needs AWS, or something that answers like it (infra/conformance/account/target.ts). */
export default defineConfig({
  test: {
    include: ['infra/conformance/account/*.aws.test.ts'],
    globalSetup: ['infra/conformance/account/setup.ts'],
    // One after the other: they share an account.
    maxWorkers: 1,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
