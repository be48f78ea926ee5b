/** What a host application says of itself on its STATE topic. */
export interface HostState {
  readonly isOnline: boolean
  readonly timestampMs: number
}

const textLengthMax = 1_024

/** `{"online":true,"timestamp":…}`; undefined where it is anything else, as the bare words of Sparkplug before 3.0. */
export function parseHostState(payload: Uint8Array): HostState | undefined {
  if (payload.length > textLengthMax) return undefined
  try {
    const json: unknown = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'))
    if (typeof json !== 'object' || json === null || !('online' in json) || !('timestamp' in json)) return undefined
    const { online, timestamp } = json
    return typeof online === 'boolean' && Number.isSafeInteger(timestamp)
      ? { isOnline: online, timestampMs: timestamp as number }
      : undefined
  } catch {
    return undefined
  }
}

export function hostStatePayload({ isOnline, timestampMs }: HostState): string {
  return JSON.stringify({ online: isOnline, timestamp: timestampMs })
}
