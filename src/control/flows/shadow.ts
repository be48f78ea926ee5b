import type { StepPorts } from './step-ports.ts'

/** For a flow that is only tried: it sees the plant as it is, and whatever it would do counts as done. What it decided is in the journal all the same. */
export function shadowPorts(ports: StepPorts): StepPorts {
  return {
    ...ports,
    write: async ({ id }) => ({ id, status: 'done', tookMs: 0 }),
    outcomeOf: async () => undefined,
    readsNow: async () => true,
    publish: async () => {},
    record: () => {},
    call: async () => ({ outcome: 'done', values: [] }),
    request: async ({ expect: [status = 200] }) => ({ status, body: null }),
    runFlow: async () => undefined,
  }
}
