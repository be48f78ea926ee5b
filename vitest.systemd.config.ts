import { defineConfig } from 'vitest/config'

/** `npm run test:systemd`: boots the unit under a systemd of its own, which takes root, a Debian mirror and a minute. */
export default defineConfig({
  test: { include: ['test/systemd-boot/*.systemd.ts'], allowOnly: false, passWithNoTests: false },
})
