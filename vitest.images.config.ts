import { defineConfig } from 'vitest/config'

/** `npm run test:images`: builds images' roots and boots them; needs root's rights and Debian packages (ami/local/host.ts). */
export default defineConfig({
  test: {
    include: ['ami/**/*.image.test.ts'],
    // Each brings up a whole installation.
    fileParallelism: false,
    maxWorkers: 1,
    // A cold build, and machines without hardware virtualisation.
    testTimeout: 600_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
