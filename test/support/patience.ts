import { vi } from 'vitest'

/**
 * How long a test waits for a state where it does not say: vitest's own second is too short for a thread that loads, or a server that answers, on a
 * machine that has other things to do. A state that comes is waited for no longer than before.
 */
const timeout = 10_000

const { waitFor } = vi
vi.waitFor = (callback, options) => waitFor(callback, typeof options === 'number' ? options : { timeout, ...options })
