import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildFrames, FrameReader, FrameViolation } from '../../../src/south/modbus/frame.ts'

interface Seen {
  readonly transaction: number
  readonly unit: number
  readonly pdu: string
}

function readAll(chunks: readonly Buffer[]): readonly Seen[] {
  const reader = new FrameReader()
  return chunks.flatMap((chunk) => reader.push(chunk).map((frame) => ({ ...frame, pdu: frame.pdu.toString('hex') })))
}

const anyFrame = fc.record({
  transaction: fc.integer({ min: 0, max: 0xffff }),
  unit: fc.integer({ min: 0, max: 255 }),
  pdu: fc.uint8Array({ minLength: 1, maxLength: 253 }),
})

describe('a frame', () => {
  it('is built as the standard has it', () => {
    const pdu = Buffer.from('0300640002', 'hex')
    expect(buildFrames([{ transaction: 0x1501, unit: 3, pdu }]).toString('hex')).toBe('150100000006030300640002')
  })

  it('is read however the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 10 }),
        (frames, cuts) => {
          const stream = buildFrames(frames)
          const chunks: Buffer[] = []
          for (let at = 0, cut = 0; at < stream.length; cut += 1) {
            const end = at + (cuts[cut % cuts.length] ?? 1)
            chunks.push(stream.subarray(at, end))
            at = end
          }
          expect(readAll(chunks)).toEqual(frames.map((frame) => ({ ...frame, pdu: Buffer.from(frame.pdu).toString('hex') })))
        },
      ),
    )
  })

  it.each([
    ['another protocol', '0001 0001 0006 01 0300000001'],
    ['no length', '0001 0000 0000 01 03'],
    ['a length without a function', '0001 0000 0001 01 03'],
    ['a length beyond the largest frame', '0001 0000 00ff 01 03'],
    ['a length of 65535', '0001 0000 ffff 01 03'],
  ])('is refused with %s', (_, hex) => {
    expect(() => readAll([Buffer.from(hex.replaceAll(' ', ''), 'hex')])).toThrow(FrameViolation)
  })

  it('is refused from its header, before the rest has come', () => {
    const [header, ...bytes] = [Buffer.from('00010000ffff', 'hex'), Buffer.of(1)]
    expect(() => readAll([header, ...bytes])).toThrow(FrameViolation)
  })

  it('costs the reader no more than one error, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 }), (chunks) => {
        try {
          for (const { pdu } of readAll(chunks.map((chunk) => Buffer.from(chunk)))) expect(pdu.length).toBeLessThanOrEqual(2 * 253)
        } catch (error) {
          expect(error).toBeInstanceOf(FrameViolation)
        }
      }),
    )
  })
})
