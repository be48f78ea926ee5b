/** By which runs are looked for: those that go on, or how others have ended. */
export const runStates = ['open', 'completed', 'failed', 'cancelled', 'unsettled', 'settled'] as const

/** unsettled: something could not be undone, or nobody knows whether it was done: a person must look. settled: one has. */
export type RunState = Exclude<(typeof runStates)[number], 'open'>
