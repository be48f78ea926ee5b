import { describe, expect, it } from 'vitest'
import { checkBudget, overloadOf, type ScanLoad } from '../../../src/south/modbus/budget.ts'
import { modbusRtu, modbusTcp } from '../../../src/south/modbus/config.ts'
import { tagsOf } from './modbus-site.ts'

function load(scan: string, { needMs, periodMs }: { readonly needMs: number; readonly periodMs: number }): ScanLoad {
  return { device: 'press', scan, needMs, periodMs, requests: 1, tags: 1, units: new Set([1]) }
}

const floats = (count: number): readonly string[] => Array.from({ length: count }, (_, place) => `hr:${2 * place} f32`)

/** A device on a serial line at 9600 baud, 8E1. */
function onLine(device: string, unit: number, { tags = floats(16), scanMs = 1_000, quirks = {} } = {}) {
  const connection = { port: '/dev/ttyS0', baud: 9_600, unit }
  return { device, config: modbusRtu.config.parse({ connection, modbus: { quirks } }), scanMs: { normal: scanMs }, tags: tagsOf(...tags) }
}

function tcp(tags: readonly string[], { scanMs = 1_000, modbus = {} } = {}) {
  return {
    device: 'press',
    config: modbusTcp.config.parse({ connection: { host: 'h' }, modbus }),
    scanMs: { normal: scanMs },
    tags: tagsOf(...tags),
  }
}

describe('the budget of a line', () => {
  it('is kept as long as all classes together leave it time', () => {
    expect(overloadOf([load('fast', { needMs: 60, periodMs: 100 }), load('slow', { needMs: 400, periodMs: 1_000 })])).toBeUndefined()
    expect(overloadOf([])).toBeUndefined()
  })

  it('is overdrawn by classes that would fit alone, and names the one that asks for most', () => {
    const overload = overloadOf([load('slow', { needMs: 400, periodMs: 1_000 }), load('fast', { needMs: 70, periodMs: 100 })])
    expect(overload).toMatchObject({ worst: { scan: 'fast' }, tags: 2, units: 1 })
    expect(overload?.share).toBeCloseTo(1.1)
    expect(overload?.needMs).toBeCloseTo(110)
  })
})

describe('30 units on a serial line', () => {
  const units = (count: number, options = {}) =>
    Array.from({ length: count }, (_, place) => onLine(`meter-${place + 1}`, place + 1, options))

  it('with 16 values each need 4.1 s where each thinks for 40 ms, and that is told when a second was asked for', () => {
    expect(checkBudget(units(30, { quirks: { turnaround: '40ms' } }))).toMatchObject([
      {
        device: 'meter-1',
        path: ['scan', 'normal'],
        code: 'modbus.scan-budget',
        severity: 'warning',
        message: '30 units with 480 tags need 4.1s for 30 requests, and 1s was asked (at 9600 baud).',
        remedy: expect.stringContaining('5s'),
      },
    ])
  })

  it('may be read as often as the remedy says', () => {
    expect(checkBudget(units(30, { quirks: { turnaround: '40ms' }, scanMs: 5_000 }))).toEqual([])
  })

  it('cost a third of that where one answer holds it all, and a pause on top where there is one', () => {
    const [plain] = checkBudget(units(30))
    const [paused] = checkBudget(units(30, { quirks: { pause: '50ms' } }))
    expect(plain?.message).toContain('need 3.5s')
    expect(paused?.message).toContain('need 5s')
  })

  it('are no problem where there are few', () => {
    expect(checkBudget(units(5))).toEqual([])
  })
})

describe('a TCP device', () => {
  it('is warned about only where no network could help', () => {
    const words = Array.from({ length: 2_000 }, (_, place) => `hr:${place} u16`)
    expect(checkBudget([tcp(words, { scanMs: 100 })])).toEqual([])
    const [problem] = checkBudget([tcp(words, { scanMs: 50 })])
    expect(problem).toMatchObject({ path: ['scan', 'normal'], severity: 'warning', remedy: expect.stringContaining('inflight') })
    expect(problem?.message).toBe('1 unit with 2000 tags need 80ms for 16 requests, and 50ms was asked (at 5 ms for an answer).')
    expect(checkBudget([tcp(words, { scanMs: 50, modbus: { inflight: 4 } })])).toEqual([])
  })

  it('is warned about where its own pause leaves no time', () => {
    const spread = Array.from({ length: 10 }, (_, place) => `hr:${200 * place} u16`)
    const [problem] = checkBudget([tcp(spread, { modbus: { quirks: { pause: '100ms' } } })])
    expect(problem).toMatchObject({ message: expect.stringContaining('need 1.1s'), remedy: expect.stringContaining('shorten `pause`') })
  })
})
