import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/patience.ts'],
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000, // a server of OPC UA takes 16 s to start beside two busy loops, and some tests start two
    hookTimeout: 60_000,
    allowOnly: false,
    passWithNoTests: false,
  },
})
