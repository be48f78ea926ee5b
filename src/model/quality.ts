/**
 * `good`: as the device says now. `uncertain`: the device doubts it. `bad`: the device has no usable value.
 * `stale`: was good, but the device has not been heard for longer than it should; the value is the last known.
 */
export type Quality = 'good' | 'uncertain' | 'bad' | 'stale'
