import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault, type PlainFault } from '../../src/base/fault.ts'
import { Breaker } from '../../src/control/breaker.ts'
import { Delivery, type Ending, type Item, type Offered } from '../../src/control/routes/delivery.ts'
import { Lane } from '../../src/control/routes/lane.ts'
import { Rota } from '../../src/control/routes/rota.ts'
import type { Outgoing } from '../../src/control/routes/targets.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import type { JournalEvent } from '../../src/model/journal.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const away = new Fault('fake.away', 'Nobody there.', { remedy: 'Wait.', isRetryable: true })
const no = new Fault('fake.no', 'No.', { remedy: 'Leave it.' })
const place = { consumer: 'route/a', lane: undefined as never, id: 1, kind: 'inbox' } as const

function item(subject: string, value: unknown, more: Partial<Item> = {}): Item {
  const event = { uid: `${subject}${value}`, type: 'mqtt.message', subject, timeMs: epochMs(0), data: {} }
  return { event, address: 'x', value, place, sinceMs: epochMs(Date.UTC(2026, 10, 21)), ...more }
}

/** A delivery to a target that a test commands. */
function startDelivery(options: { readonly batchMax?: number; readonly attempts?: number; readonly withinMs?: number } = {}) {
  const clock = startManualClock()
  const told: SiteEvent[] = []
  const ended: (readonly [unknown, string])[] = []
  const target = {
    calls: [] as unknown[][],
    deliver: (_: readonly unknown[]): Promise<void> => Promise.resolve(),
  }
  const breaker = new Breaker({ name: 'service mes', record: (event) => void told.push(event), clock })
  const delivery = new Delivery({
    config: {
      route: 'a',
      retry: { attempts: options.attempts ?? 3, waitMs: 100, factor: 2, maxMs: 1_000 },
      ...(options.withinMs === undefined ? {} : { withinMs: options.withinMs }),
    },
    target: {
      name: 'service mes',
      batchMax: options.batchMax ?? 1,
      prepare: () => undefined,
      deliver: async (items: readonly Outgoing[]) => {
        const values = items.map(({ value }) => value)
        target.calls.push(values)
        await target.deliver(values)
      },
    },
    breaker,
    end: async (items: readonly Offered[], ending: Ending) => {
      for (const one of items) ended.push([(one as Item).value, ending.outcome === 'dead' ? ending.fault.code : ending.outcome])
    },
    onRetry: () => {},
    clock,
    log: keptLog(),
  })
  return { clock, told, ended, target, breaker, delivery }
}

describe('a delivery', () => {
  it('keeps what has one key in order, and lets another key pass', async () => {
    const { clock, ended, target, delivery } = startDelivery()
    const held = Promise.withResolvers<void>()
    target.deliver = ([value]) => (value === 1 ? held.promise : Promise.resolve())
    delivery.add('slow', item('a', 1))
    delivery.add('slow', item('a', 2))
    delivery.add('other', item('b', 3))
    await clock.settle()
    expect(ended).toEqual([[3, 'delivered']])
    held.resolve()
    await clock.settle()
    expect(ended.slice(1)).toEqual([
      [1, 'delivered'],
      [2, 'delivered'],
    ])
  })

  it('tries again what may pass, and gives up at once what will not', async () => {
    const { clock, ended, target, delivery } = startDelivery()
    target.deliver = async ([value]) => {
      throw value === 1 ? away : no
    }
    delivery.add('a', item('a', 1))
    delivery.add('b', item('b', 2))
    await clock.advance(10_000)
    expect(target.calls.flat()).toEqual([1, 2, 1, 1])
    expect(ended).toEqual([
      [2, 'fake.no'],
      [1, 'fake.away'],
    ])
  })

  it('finds the one of a batch that is at fault', async () => {
    const { clock, ended, target, delivery } = startDelivery({ batchMax: 10 })
    target.deliver = async (values) => {
      if (values.includes(2)) throw no
    }
    delivery.add('', item('x', 0))
    for (const value of [1, 2, 3]) delivery.add('', item('x', value))
    await clock.advance(1_000)
    expect(ended.map(([value, how]) => `${value} ${how}`).toSorted()).toEqual(['0 delivered', '1 delivered', '2 fake.no', '3 delivered'])
  })

  it('delivers only the newest of a tag, also while an older one is tried again', async () => {
    const { clock, ended, target, delivery } = startDelivery()
    target.deliver = async ([value]) => {
      if (value === 1) throw away
    }
    const latest = { place: undefined }
    for (const value of [1, 2, 3]) delivery.add('a', item('a', value, latest))
    await clock.advance(1_000)
    expect(ended).toEqual([
      [2, 'overtaken'],
      [1, 'overtaken'],
      [3, 'delivered'],
    ])
  })

  it('does not deliver what has become too old', async () => {
    const { clock, ended, target, delivery } = startDelivery({ attempts: 100, withinMs: 2_000 })
    target.deliver = async () => {
      throw away
    }
    delivery.add('a', item('a', 1))
    await clock.advance(60_000)
    expect(ended).toEqual([[1, 'route.too-old']])
  })

  it('leaves what is under way when it is closed', async () => {
    const { clock, ended, target, delivery } = startDelivery()
    target.deliver = () => new Promise(() => {})
    delivery.add('a', item('a', 1))
    await clock.settle()
    const closed = delivery.close()
    await clock.advance(31_000)
    await closed
    expect(ended).toEqual([])
  })
})

describe('a breaker', () => {
  const fault: PlainFault = { code: 'x', message: 'x', remedy: 'x', isRetryable: true }
  const never = new AbortController().signal

  it('opens after five failures in a row, lets one try now and then, and closes when that succeeds', async () => {
    const { clock, told, breaker } = startDelivery()
    for (let count = 0; count < 4; count += 1) breaker.failed(fault)
    breaker.succeeded()
    for (let count = 0; count < 5; count += 1) breaker.failed(fault)
    expect([breaker.state, told.map(({ type }) => type)]).toEqual(['open', ['breaker.opened']])
    const admitted: string[] = []
    for (const name of ['one', 'two']) void breaker.admitted(never).then(() => admitted.push(name))
    await clock.advance(900)
    expect(admitted).toEqual([])
    await clock.advance(200)
    expect([admitted, breaker.state]).toEqual([['one'], 'half-open'])
    breaker.failed(fault)
    await clock.advance(1_500)
    expect(admitted).toEqual(['one'])
    await clock.advance(1_000)
    expect(admitted).toEqual(['one', 'two'])
    breaker.succeeded()
    expect([breaker.state, told.map(({ type, subject }) => `${type} ${subject}`)]).toEqual([
      'closed',
      ['breaker.opened service mes', 'breaker.half-open service mes', 'breaker.closed service mes'],
    ])
  })

  it('gives up waiting when it is told to', async () => {
    const { breaker } = startDelivery()
    for (let count = 0; count < 5; count += 1) breaker.failed(fault)
    const stop = new AbortController()
    const waiting = breaker.admitted(stop.signal)
    stop.abort(new Error('stopped'))
    await expect(waiting).rejects.toThrow('stopped')
  })
})

describe('the rota', () => {
  it('lets the highest priority go first, and the lowest not starve', async () => {
    const rota = new Rota()
    const order: string[] = []
    const high = (count: number): void => {
      order.push('high')
      if (count > 0) rota.ask('high', () => high(count - 1))
    }
    rota.ask('low', () => order.push('low'))
    rota.ask('normal', () => order.push('normal'))
    rota.ask('critical', () => order.push('critical'))
    high(100)
    while (order.length < 104) await new Promise((resolve) => setImmediate(resolve))
    expect(order[1]).toBe('critical')
    expect(order.indexOf('normal')).toBeGreaterThan(10)
    expect(order.indexOf('low')).toBeLessThan(80)
  })
})

describe('a lane', () => {
  const row = (id: number): JournalEvent => ({ id, uid: `u${id}`, type: 'a', subject: 'a', timeMs: epochMs(0), data: {} })

  it('gives what waits in order and once, what is written meanwhile among it, and knows how far all is done', async () => {
    const clock = startManualClock()
    const disk = [1, 2, 3, 4, 5].map(row)
    const taken: number[] = []
    const room = { left: 3 }
    await using lane = new Lane({
      start: async () => ({ lastId: 1, ahead: [3] }),
      fetch: async (afterId, rowsMax) => {
        const events = disk.filter(({ id }) => id > afterId).slice(0, rowsMax)
        return { events, cursor: events.at(-1)?.id ?? afterId, isEnd: events.length < rowsMax }
      },
      take: (events) => {
        taken.push(...events.map(({ id }) => id))
        room.left -= events.length
      },
      room: () => room.left,
      clock,
      log: keptLog(),
    })
    await clock.settle()
    expect(taken).toEqual([2, 4, 5])
    disk.push(row(6))
    lane.offer(row(6))
    lane.done(4)
    expect(lane.cursor()).toEqual({ lastId: 1, ahead: [3, 4] })
    room.left += 1
    lane.done(2)
    await clock.settle()
    expect([taken, lane.cursor()]).toEqual([[2, 4, 5, 6], { lastId: 4, ahead: [] }])
    room.left += 2
    lane.done(5)
    lane.done(6)
    disk.push(row(7))
    await clock.settle()
    lane.offer(row(7))
    await clock.settle()
    expect([taken.at(-1), lane.cursor()]).toEqual([7, { lastId: 6, ahead: [] }])
  })

  it('remembers nothing of what is done where that is taken away', async () => {
    const clock = startManualClock()
    const disk = [1, 2, 3].map(row)
    await using lane = new Lane({
      fetch: async (afterId) => ({ events: disk.filter(({ id }) => id > afterId), cursor: 3, isEnd: true }),
      take: () => {},
      room: () => 10,
      clock,
      log: keptLog(),
    })
    await clock.settle()
    lane.done(3)
    lane.done(2)
    expect(lane.cursor()).toEqual({ lastId: 0, ahead: [] })
    lane.done(1)
    expect(lane.cursor()).toEqual({ lastId: 3, ahead: [] })
  })
})
