import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { stamped } from '../../../src/north/upstream/ledger.ts'
import type { OutboxRow } from '../../../src/store/contract.ts'

const row: OutboxRow = {
  id: 9,
  upstream: 'plant',
  kind: 'message',
  subject: 't',
  body: '',
  timeMs: epochMs(0),
  stream: 'trends',
  seq: 5,
  ledger: 77,
}
const origin = 'edge-07/plant'
const packet = (payload: string | Uint8Array) => ({ topic: 't', payload, isRetained: false })

describe('the number of a message', () => {
  it('stands in a user property', () => {
    expect(stamped(packet('x'), row, { ledger: 'property', origin }).properties).toEqual({ lineside: 'edge-07/plant/77/trends/5' })
  })

  it('stands in the payload where it is asked for, as one more field of an object, or around anything else', () => {
    const mark = { stream: 'edge-07/plant/77/trends', seq: 5 }
    const inPayload = (payload: string): unknown => JSON.parse(String(stamped(packet(payload), row, { ledger: 'payload', origin }).payload))
    expect(inPayload('{"value":1}')).toEqual({ ledger: mark, value: 1 })
    expect(inPayload('{}')).toEqual({ ledger: mark })
    expect(inPayload('[1]')).toEqual({ ledger: mark, payload: '[1]' })
    expect(inPayload('{broken')).toEqual({ ledger: mark, payload: '{broken' })
    const binary = packet(new Uint8Array([1]))
    expect(stamped(binary, row, { ledger: 'payload', origin })).toBe(binary)
  })

  it('is left out where nobody asks for it, or there is none', () => {
    expect(stamped(packet('x'), row, { ledger: 'off', origin })).toEqual(packet('x'))
    const { seq: _, ...unnumbered } = row
    expect(stamped(packet('x'), unnumbered, { ledger: 'property', origin })).toEqual(packet('x'))
  })
})
