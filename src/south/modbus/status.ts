/**
 * Why a tag is bad, in the words of OPC UA (OPC 10000-4, 7.39), so that SCADA, MQTT and people are told the same. A good reading carries none.
 */
export const notDecoded = 0x8007_0000
/** The device file says that there is nothing to read. */
export const inPinnedHole = 0x8089_0000
/** It takes writes only. */
export const notReadable = 0x803a_0000
const notFound = 0x803e_0000
const notSupported = 0x803d_0000
const deviceFailure = 0x808b_0000

const statusByException: Readonly<Record<number, number>> = { 1: notSupported, 2: notFound, 3: notFound }

export function statusOfException(code: number): number {
  return statusByException[code] ?? deviceFailure
}
