/** Rows and their payloads, these end to end in one piece of memory: a message between threads copies whole pieces, however little of each is used. */
export interface Packed<Row> {
  readonly rows: readonly Row[]
  /** Of each row's payload, in bytes. */
  readonly sizes: readonly number[]
  readonly payloads: Uint8Array
}

export interface WithPayload<Row> {
  readonly row: Row
  readonly payload: Uint8Array
}

export function pack<Row>(items: readonly WithPayload<Row>[]): Packed<Row> {
  const sizes = items.map(({ payload }) => payload.length)
  const payloads = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  for (const { payload } of items) {
    payloads.set(payload, at)
    at += payload.length
  }
  return { rows: items.map(({ row }) => row), sizes, payloads }
}

/** The payloads are views: whoever keeps one for long copies it, or keeps all of them. */
export function* unpack<Row>({ rows, sizes, payloads }: Packed<Row>): Iterable<WithPayload<Row>> {
  let at = 0
  for (const [place, row] of rows.entries()) {
    const end = at + (sizes[place] ?? 0)
    yield { row, payload: payloads.subarray(at, end) }
    at = end
  }
}
