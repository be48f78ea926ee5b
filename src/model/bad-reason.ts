/** What a status code of a bad tag means to people; the codes that drivers give where the device has none of its own (OPC 10000-4, 7.39). */
const reasons: ReadonlyMap<number, string> = new Map([
  [0x8007_0000, 'no value of its type: NaN, infinite, or digits that are none'],
  [0x8032_0000, 'not read yet'],
  [0x803a_0000, 'can only be written'],
  [0x803d_0000, 'illegal function: the device cannot read this area'],
  [0x803e_0000, 'illegal address: the device has nothing there'],
  [0x8089_0000, 'in a hole of the device file'],
  [0x808b_0000, 'the device reports a failure'],
])

/** `illegal address: …`; undefined where the code says nothing that we know. */
export function badReason(status: number): string | undefined {
  return reasons.get(status)
}
