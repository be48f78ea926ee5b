/** What a status code of a tag that is not good means to people; the codes that drivers give where the device has none of its own (OPC 10000-4, 7.39). */
const reasons: ReadonlyMap<number, string> = new Map([
  [0x408f_0000, 'the last value that was usable: the server has no connection to what is behind it'],
  [0x4090_0000, 'the last value that was usable'],
  [0x4092_0000, 'a first value that nobody has measured'],
  [0x4093_0000, 'its sensor is not accurate'],
  [0x4094_0000, 'outside of what its sensor measures'],
  [0x8005_0000, 'the server cannot reach what is behind it'],
  [0x8007_0000, 'no value of its type: NaN, infinite, or digits that are none'],
  [0x8008_0000, 'more than a tag can hold'],
  [0x800a_0000, 'what is behind the server did not answer it in time'],
  [0x801f_0000, 'the server does not let this user read it'],
  [0x8031_0000, 'the server has no connection to what is behind it'],
  [0x8032_0000, 'not read yet'],
  [0x8033_0000, 'no such node can be: compare `node` with what `lineside browse` shows'],
  [0x8034_0000, 'the server has no such node: compare `node` with what `lineside browse` shows'],
  [0x8035_0000, 'the node has no value: it is a folder, an object or a method'],
  [0x803a_0000, 'can only be written'],
  [0x803d_0000, 'illegal function: the device cannot read this area; of OPC UA: no value that a tag can hold, or no such `field`'],
  [0x803e_0000, 'illegal address: the device has nothing there'],
  [0x806f_0000, 'the server has nothing at this `path`'],
  [0x8089_0000, 'in a hole of the device file'],
  [0x808a_0000, 'the server is not connected to what is behind it'],
  [0x808b_0000, 'the device reports a failure'],
  [0x808c_0000, 'its sensor is broken'],
  [0x808d_0000, 'out of service'],
  [0x809b_0000, 'the server has no value for it yet'],
])

/** `illegal address: …`; undefined where the code says nothing that we know. */
export function badReason(status: number): string | undefined {
  return reasons.get(status)
}
