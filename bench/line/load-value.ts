const periodMs = 1_000

interface Place {
  readonly originMs: number
  readonly device: number
  readonly register: number
}

/** CLOCK_MONOTONIC: the same in every process of this machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export function registerAt({ nowMs, originMs, device, register }: Place & { readonly nowMs: number }): number {
  return Math.floor((nowMs - originMs - phaseMs(device, register)) / periodMs) & 0xffff
}

/** When the register took this value. */
export function changedMs({ value, originMs, device, register }: Place & { readonly value: number }): number {
  return originMs + phaseMs(device, register) + value * periodMs
}

/** Spread evenly over the period, and in no step with any poll. */
function phaseMs(device: number, register: number): number {
  return ((device * 100 + register) * 0.6180339887 * periodMs) % periodMs
}
