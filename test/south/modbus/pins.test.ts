import { describe, expect, it } from 'vitest'
import { modbusRtu, modbusTcp } from '../../../src/south/modbus/config.ts'
import { tagsOf } from './modbus-site.ts'

const connection = { host: '10.1.7.20' }

function quirks(keys: Readonly<Record<string, unknown>>) {
  return modbusTcp.config.safeParse({ connection, modbus: { quirks: keys } })
}

function problemsOf(holes: readonly string[], texts: readonly string[], keys: Readonly<Record<string, unknown>> = {}) {
  return modbusTcp.check(modbusTcp.config.parse({ connection, modbus: { quirks: { holes } }, ...keys }), tagsOf(...texts))
}

describe('what a device file pins of a device', () => {
  it('is taken as it is written', () => {
    const { data } = quirks({ holes: ['hr:100-109', 'di:7', '3/ir:0-9'], without: [6, 22], turnaround: '35ms' })
    expect(data?.quirks).toMatchObject({
      holes: [
        { area: 'hr', from: 100, to: 109 },
        { area: 'di', from: 7, to: 7 },
        { area: 'ir', unit: 3, from: 0, to: 9 },
      ],
      without: [6, 22],
      turnaroundMs: 35,
    })
  })

  it.each([
    ['a hole that is no place', { holes: ['100-109'] }],
    ['a hole that ends before it begins', { holes: ['hr:109-100'] }],
    ['a hole of another area', { holes: ['xr:1'] }],
    ['a hole of some length that is no text', { holes: [100] }],
    ['a function that reads', { without: [3] }],
    ['a function that there is not', { without: [99] }],
    ['endless holes', { holes: Array.from({ length: 201 }, (_, place) => `hr:${place}`) }],
  ])('is refused where it names %s', (_, keys) => {
    expect(quirks(keys).success).toBe(false)
  })

  it.each([
    ['the same place', ['hr:100'], ['hr:100 u16']],
    ['the second register of a value', ['hr:101-105'], ['hr:100 f32']],
    ['a place of another unit', ['3/hr:100'], ['3/hr:100 u16']],
  ])('is warned about where a tag lies in it: %s', (_, holes, texts) => {
    expect(problemsOf(holes, texts)).toMatchObject([{ path: ['tags', 'tag-0', 'at'], code: 'modbus.in-hole', severity: 'warning' }])
  })

  it('leaves the tags beside it alone', () => {
    expect(problemsOf(['hr:101-105', '3/hr:100', 'ir:100'], ['hr:100 u16', 'hr:106 u16'])).toEqual([])
  })

  it('counts as the addresses of the file do', () => {
    expect(problemsOf(['hr:100'], ['hr:100 u16'], { addressing: 'one' })).toMatchObject([{ code: 'modbus.in-hole' }])
    expect(problemsOf(['hr:0'], ['hr:100 u16'], { addressing: 'one' })).toMatchObject([
      { path: ['modbus', 'quirks', 'holes', 0], code: 'modbus.hole-range' },
    ])
    expect(problemsOf(['hr:65535-65536'], ['hr:100 u16'])).toMatchObject([{ code: 'modbus.hole-range' }])
  })
})

describe('the gap that is read along', () => {
  const rtu = (keys: Readonly<Record<string, unknown>>, baud = 9_600) =>
    modbusRtu.config.parse({ connection: { port: '/dev/ttyS0', baud }, modbus: keys }).gapRegistersMax

  it('fills the request on TCP, and on a serial line weighs how long the device thinks', () => {
    expect(modbusTcp.config.parse({ connection }).gapRegistersMax).toBe(125)
    expect(rtu({})).toBe(18)
    expect(rtu({ quirks: { turnaround: '0ms' } })).toBe(10)
    expect(rtu({ quirks: { turnaround: '50ms' } })).toBe(31)
    expect(rtu({}, 115_200)).toBe(114)
    expect(rtu({ quirks: { turnaround: '5s' } })).toBe(125)
  })

  it('is what the device file says where it says something', () => {
    expect(rtu({ gap: 3 })).toBe(3)
  })
})

describe('text of a tag', () => {
  it('says what fills it up', () => {
    expect(modbusTcp.address.parse({ at: 'hr:0', type: 'string(8)', pad: 'space' })).toMatchObject({ padding: 'space' })
    expect(modbusTcp.address.safeParse({ at: 'hr:0', type: 'string(8)', pad: 'dots' }).success).toBe(false)
  })
})
