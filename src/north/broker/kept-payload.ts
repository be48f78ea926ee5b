import type { Entry } from './session.ts'

const keptFirst = Symbol('kept first')

/**
 * A payload that bears the queue entries which were kept before anybody was told of the message: the one thing of a packet that stays the same object on its way
 * through aedes. A WeakMap would keep all of them in memory until the next collection of the whole heap.
 */
type KeptPayload = Uint8Array & { [keptFirst]?: readonly Entry[] }

export function bearEntries(payload: KeptPayload, entries: readonly Entry[]): void {
  payload[keptFirst] = entries
}

/** undefined: nothing of it was kept yet. */
export function entriesOf(payload: string | KeptPayload): readonly Entry[] | undefined {
  return typeof payload === 'string' ? undefined : payload[keptFirst]
}
