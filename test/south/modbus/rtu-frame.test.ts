import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Ask, askMaskRegister, askRead, askWriteRegister } from '../../../src/south/modbus/pdu.ts'
import { AnswerFinder, buildRtuFrame, crc16, rtuAnswerBytes } from '../../../src/south/modbus/rtu-frame.ts'
import { bitwiseCrc, rtuFrame } from '../../support/rtu-fault-server.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const read = (count: number, unit = 3): Ask => askRead({ unit, area: 'hr', start: 100, count })
const answerTo = (ask: Ask, data: Uint8Array): Buffer => rtuFrame(ask.unit, Buffer.concat([Buffer.of(ask.pdu[0] ?? 0, data.length), data]))

/** What is found when the bytes come in these pieces. */
function found(ask: Ask, ...chunks: readonly Uint8Array[]) {
  const finder = new AnswerFinder(ask)
  for (const chunk of chunks) {
    const answer = finder.push(chunk)
    if (answer !== undefined) return answer
  }
  return undefined
}

describe('an RTU frame', () => {
  it('carries the CRC of the standard', () => {
    expect(crc16(bytes('02 07'))).toBe(0x1241) // Modbus over Serial Line 1.02, appendix B: sent as 41 12
    expect(buildRtuFrame({ unit: 1, pdu: bytes('03 0000 000a') })).toEqual(bytes('01 03 0000 000a c5cd'))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), (any) => {
        expect(crc16(any)).toBe(bitwiseCrc(any))
      }),
    )
  })

  it('is as long as the request says', () => {
    expect(rtuAnswerBytes(read(10))).toBe(25)
    expect(rtuAnswerBytes(askWriteRegister({ unit: 1, start: 1 }, Buffer.of(0, 1)))).toBe(8)
    expect(rtuAnswerBytes(askMaskRegister({ unit: 1, start: 1 }, { andMask: 1, orMask: 0 }))).toBe(10)
  })
})

describe('the search for an answer', () => {
  const data = bytes('0001 0002')
  const good = { kind: 'data', data }

  it('finds it however it is cut', () => {
    const frame = answerTo(read(2), data)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 9 }), (cuts) => {
        const chunks: Buffer[] = []
        for (let at = 0, cut = 0; at < frame.length; cut += 1) {
          const end = at + (cuts[cut % cuts.length] ?? 1)
          chunks.push(frame.subarray(at, end))
          at = end
        }
        expect(found(read(2), ...chunks)).toEqual(good)
      }),
    )
  })

  it.each([
    ['a byte that the transceiver made', bytes('00')],
    ['noise that looks like its beginning', bytes('03 03')],
    ['the answer of another unit', rtuFrame(4, bytes('03 04 0009 0009'))],
    ['an answer to another function', rtuFrame(3, bytes('04 04 0009 0009'))],
    ['a shorter answer', rtuFrame(3, bytes('03 02 0009'))],
    ['the echo of the request', buildRtuFrame(read(2))],
    ['a damaged answer', rtuFrame(3, bytes('03 04 0009 0009'), 0x1234)],
  ])('passes over %s', (_, before) => {
    expect(found(read(2), Buffer.concat([before, answerTo(read(2), data)]))).toEqual(good)
    expect(found(read(2), before)).toBeUndefined()
  })

  it('finds exceptions of its own function only', () => {
    expect(found(read(2), rtuFrame(3, bytes('83 02')))).toEqual({ kind: 'exception', code: 2 })
    expect(found(read(2), rtuFrame(3, bytes('84 02')))).toBeUndefined()
  })

  it('takes only the echo of this very write', () => {
    const write = askWriteRegister({ unit: 3, start: 5 }, Buffer.of(0, 7))
    expect(found(write, rtuFrame(3, bytes('06 0005 0008')))).toBeUndefined()
    expect(found(write, rtuFrame(3, bytes('06 0005 0007')))).toMatchObject({ kind: 'data' })
  })

  it('says that an answer was damaged', () => {
    const finder = new AnswerFinder(read(2))
    const frame = answerTo(read(2), data)
    finder.push(Buffer.concat([frame.subarray(0, 5), Buffer.of(0xff), frame.subarray(6)]))
    expect(finder.isSpoiled).toBe(true)
  })

  it('is right or finds nothing, whatever comes, and keeps little of it', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 10 }), fc.nat(10), (noise, place) => {
        const chunks = [...noise.slice(0, place), answerTo(read(2), data), ...noise.slice(place)]
        const answer = found(read(2), ...chunks)
        expect(answer ?? good).toEqual(good)
        expect(found(read(2), ...noise)).toBeUndefined()
      }),
    )
  })
})
