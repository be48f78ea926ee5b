import { describe, expect, it, vi } from 'vitest'
import { type FaultServer, honestly, type RawRequest, startFaultServer, truth } from '../../support/modbus-fault-server.ts'
import { type RtuRequest, rtuFrame, startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { startSerialLine } from '../../support/serial-line.ts'
import { allOf, rtuTcpConfig, serialConfig, tcpConfig, watch } from './line-plant.ts'
import { connectTo } from './modbus-site.ts'

const rtuHonestly = (request: RtuRequest): void => void request.socket.write(rtuFrame(request.unit, truth(request)))

/** The most connections at once that a peer sees while it serves. */
function watchSockets(server: () => FaultServer) {
  const seen = { most: 0 }
  return {
    seen,
    answer: (request: RawRequest) => {
      seen.most = Math.max(seen.most, server().sockets.size)
      honestly(request)
    },
  }
}

describe('device files that name one gateway', () => {
  it('share one connection, which is closed when the last one leaves', async () => {
    await using server = await startFaultServer(honestly)
    await using one = await connectTo(tcpConfig(server.port), ['hr:1 u16'])
    await using other = await connectTo(tcpConfig(server.port, { unit: 7 }), ['hr:2 u16'])
    expect([await one.values(), await other.values()]).toEqual([{ 0: 1 }, { 0: 2 }])
    expect(server.connections).toBe(1)
    expect(server.requests.map(({ unit }) => unit)).toEqual([1, 7])
    await one[Symbol.asyncDispose]()
    expect((await other.poll()).silent).toBeUndefined()
    await other[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(server.sockets.size).toBe(0))
  })

  it('have connections of their own where they ask for it', async () => {
    await using server = await startFaultServer(honestly)
    await using _one = watch('one', tcpConfig(server.port, { shared: false }), ['hr:1 u16'])
    await using _other = watch('other', tcpConfig(server.port, { shared: false }), ['hr:2 u16'])
    await vi.waitFor(() => expect(server.sockets.size).toBe(2))
  })

  it('wait for one opening, and none for another that gave up', async () => {
    await using server = await startFaultServer(honestly)
    const givesUp = connectTo(tcpConfig(server.port), ['hr:1 u16'], { signal: AbortSignal.abort(new Error('gave up')) })
    await expect(givesUp).rejects.toThrow('gave up')
    const connected = await Promise.all([1, 2, 3].map((unit) => connectTo(tcpConfig(server.port, { unit }), ['hr:1 u16'])))
    await using _all = allOf(connected)
    expect(server.connections).toBe(1)
  })

  it('never get it otherwise set than they ask for, and get it when the others have left', async () => {
    await using server = await startRtuFaultServer(rtuHonestly)
    await using old = watch('old', rtuTcpConfig(server.port), ['hr:1 u16'])
    await vi.waitFor(() => expect(old.seen.good).toBe(1))
    await using changed = watch('changed', rtuTcpConfig(server.port, { baud: 9_600, unit: 2 }), ['hr:1 u16'])
    await vi.waitFor(() => expect(changed.device.status().lastFault?.code).toBe('modbus.line-conflict'))
    await old[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(changed.seen.good).toBe(1), { timeout: 15_000 })
  })

  it('each keep their own timeout', async () => {
    await using server = await startFaultServer((request) => setTimeout(() => honestly(request), 80))
    await using hasty = await connectTo(tcpConfig(server.port, { timeout: '30ms' }), ['hr:1 u16'])
    await using patient = await connectTo(tcpConfig(server.port, { timeout: '500ms', unit: 2 }), ['hr:1 u16'])
    expect((await hasty.poll()).code).toBe('modbus.no-answer')
    expect(await patient.values()).toEqual({ 0: 1 })
  })

  it('are all connected anew when the gateway hangs, though each alone would leave the others the line', async () => {
    let isHung = false
    await using server = await startFaultServer((request) => (isHung ? undefined : honestly(request)))
    const devices = [1, 2, 3].map((unit) => watch(`device-${unit}`, tcpConfig(server.port, { unit }), ['hr:1 u16']))
    await using _devices = allOf(devices)
    await vi.waitFor(() => expect(devices.map(({ seen }) => seen.good)).toEqual([1, 1, 1]))
    isHung = true
    await vi.waitFor(() => expect(server.connections).toBeGreaterThan(1), { timeout: 5_000 })
    isHung = false
    await vi.waitFor(() => expect(devices.every(({ seen }) => seen.good > 1)).toBe(true), { timeout: 10_000 })
  })

  it('are all told at once when the connection is reset, and come back over one', async () => {
    await using server = await startFaultServer(honestly)
    const devices = [1, 2, 3].map((unit) => watch(`device-${unit}`, tcpConfig(server.port, { unit }), ['hr:1 u16']))
    await using _devices = allOf(devices)
    await vi.waitFor(() => expect(devices.map(({ seen }) => seen.good)).toEqual([1, 1, 1]))
    for (const socket of server.sockets) socket.resetAndDestroy()
    await vi.waitFor(() => expect(devices.map(({ seen }) => seen.good)).toEqual([2, 2, 2]), { timeout: 10_000 })
    expect(server.sockets.size).toBe(1)
  })
})

describe('a device that takes two connections at the most', () => {
  it('never sees a second one of ours, however often the first is lost', async () => {
    const { seen, answer } = watchSockets(() => server)
    let round = 0
    await using server = await startFaultServer((request) => {
      round += 1
      // Every fourth request is met with a reset, every seventh with silence until the connection is given up.
      if (round % 4 === 0) request.socket.resetAndDestroy()
      else if (round % 7 !== 0) answer(request)
    })
    await using device = watch('plc', tcpConfig(server.port, { timeout: '20ms' }), ['hr:1 u16'], 10)
    await vi.waitFor(() => expect(server.connections).toBeGreaterThan(6), { timeout: 15_000 })
    expect(seen.most).toBe(1)
    expect(device.seen.good).toBeGreaterThan(3)
  })

  it('is left alone between scans where it must be', async () => {
    await using server = await startFaultServer(honestly)
    const config = tcpConfig(server.port, {}, { quirks: { closeAfterScan: true } })
    await using line = await connectTo(config, ['hr:1! u16', 'hr:5 u16'])
    for (let scan = 0; scan < 3; scan += 1) {
      await line.poll()
      await vi.waitFor(() => expect(server.sockets.size).toBe(0))
    }
    expect(server.connections).toBe(3)
    expect(await line.write(0, 1)).toEqual({ outcome: 'done' })
    expect((await line.poll()).silent).toBeUndefined()
  })

  it('is lost when it cannot be opened again after a scan', async () => {
    const server = await startFaultServer(honestly)
    await using line = await connectTo(tcpConfig(server.port, {}, { quirks: { closeAfterScan: true } }), ['hr:1 u16'])
    await line.poll()
    await server[Symbol.asyncDispose]()
    await expect(line.poll()).rejects.toMatchObject({ code: 'modbus.refused' })
    await expect(line.connection.failure).rejects.toMatchObject({ code: 'modbus.refused' })
  })
})

describe('thirty units on one line', () => {
  it('lose one timeout a period to a dead one, and no more, however often its device is connected to anew', async () => {
    await using server = await startRtuFaultServer((request) => (request.unit === 13 ? undefined : rtuHonestly(request)))
    const started = performance.now()
    const config = (unit: number) => rtuTcpConfig(server.port, { unit, timeout: '300ms' })
    const devices = Array.from({ length: 30 }, (_, place) => watch(`unit-${place + 1}`, config(place + 1), ['hr:1 u16'], 400))
    await using _devices = allOf(devices)
    await vi.waitFor(() => expect(performance.now() - started).toBeGreaterThan(7_000), { timeout: 9_000 })
    const dead = server.requests.filter(({ unit }) => unit === 13)
    // Two silences are needed to believe it; from then on one probe in five seconds.
    expect(dead.length).toBeGreaterThanOrEqual(2)
    expect(dead.length).toBeLessThanOrEqual(2 + 2)
    expect(devices.filter(({ device }) => device.status().state === 'online')).toHaveLength(29)
    expect(server.connections).toBe(1)
  }, 20_000)

  it('spend no timeout at all on writes to one that is known to be dead', async () => {
    await using server = await startRtuFaultServer((request) => (request.unit === 13 ? undefined : rtuHonestly(request)))
    await using dead = await connectTo(rtuTcpConfig(server.port, { unit: 13 }), ['hr:1! u16'])
    await using live = await connectTo(rtuTcpConfig(server.port, { unit: 1 }), ['hr:1 u16'])
    for (let round = 0; round < 3; round += 1) await Promise.all([dead.poll(), live.poll()])
    const asked = server.requests.filter(({ unit }) => unit === 13).length
    const outcome = await dead.write(0, 7)
    expect(outcome).toMatchObject({ outcome: 'failed', fault: { code: 'modbus.unit-resting', wasSent: false }, neverSent: true })
    expect(server.requests.filter(({ unit }) => unit === 13)).toHaveLength(asked)
  })
})

describe('a fast scan class', () => {
  it('is not held up by slow ones of other devices, whose requests wait longer', async () => {
    const order: number[] = []
    await using server = await startRtuFaultServer((request) => {
      order.push(request.unit)
      setTimeout(() => rtuHonestly(request), 20)
    })
    const slowOnes = Array.from({ length: 8 }, (_, place) =>
      watch(
        `slow-${place}`,
        rtuTcpConfig(server.port, { unit: 10 + place, timeout: '2s' }, { gap: 0 }),
        ['hr:1 u16', 'hr:99 u16', 'hr:500 u16'],
        5_000,
      ),
    )
    await using _slow = allOf(slowOnes)
    await using fast = watch('fast', rtuTcpConfig(server.port, { unit: 1, timeout: '2s' }), ['hr:1 u16'], 100)
    await vi.waitFor(() => expect(order.length).toBeGreaterThan(30), { timeout: 5_000 })
    // While 24 slow requests are served, the fast one comes in between again and again.
    const turns = order.slice(0, 30).filter((unit) => unit === 1).length
    expect(turns).toBeGreaterThanOrEqual(4)
    expect(fast.seen.good).toBe(1)
  })
})

describe('a serial line', () => {
  it('serves all its devices through one port', async () => {
    await using server = await startRtuFaultServer(rtuHonestly)
    await using line = await startSerialLine({ port: server.port })
    const devices = [1, 2, 3].map((unit) => watch(`unit-${unit}`, serialConfig(line.path, { unit }), [`hr:${unit} u16`]))
    await using _devices = allOf(devices)
    await vi.waitFor(() => expect(devices.map(({ values }) => values.get(0))).toEqual([1, 2, 3]))
    expect(server.strayBytes).toBe(0)
  })

  it('is lost to every device when its adapter is pulled out, and comes back by itself', async () => {
    await using server = await startRtuFaultServer(rtuHonestly)
    await using line = await startSerialLine({ port: server.port })
    const devices = [1, 2, 3].map((unit) => watch(`unit-${unit}`, serialConfig(line.path, { unit }), ['hr:1 u16']))
    await using _devices = allOf(devices)
    await vi.waitFor(() => expect(devices.map(({ seen }) => seen.good)).toEqual([1, 1, 1]))
    await line.unplug()
    await vi.waitFor(() => expect(devices.map(({ device }) => device.status().state)).toEqual(['connecting', 'connecting', 'connecting']))
    expect(devices.every(({ seen }) => seen.stale > 0)).toBe(true)
    await vi.waitFor(() => expect(devices[0]?.device.status().lastFault?.code).toBe('modbus.port-unknown'))
    await line.plug()
    await vi.waitFor(() => expect(devices.map(({ seen }) => seen.good)).toEqual([2, 2, 2]), { timeout: 5_000 })
  })

  it('takes writes to all units at once', async () => {
    await using server = await startRtuFaultServer((request) => (request.unit === 0 ? undefined : rtuHonestly(request)))
    await using line = await startSerialLine({ port: server.port })
    await using device = await connectTo(serialConfig(line.path), ['hr:1 u16', '0/hr:9! u16'])
    expect(await device.values()).toEqual({ 0: 1, 1: 'bad' })
    expect(await device.write(1, 7)).toEqual({ outcome: 'done' })
    expect((await device.poll()).silent).toBeUndefined()
    expect(server.requests.map(({ unit }) => unit)).toEqual([1, 0, 1])
  })

  it('shows how it is used, and by whom it is held up', async () => {
    await using server = await startRtuFaultServer((request) => setTimeout(() => rtuHonestly(request), request.unit === 2 ? 200 : 0))
    await using line = await startSerialLine({ port: server.port })
    await using one = await connectTo(serialConfig(line.path, { timeout: '2s' }), ['hr:1 u16'])
    await using other = await connectTo(serialConfig(line.path, { unit: 2, timeout: '2s' }), ['hr:1 u16'])
    await Promise.all([one.poll(), other.poll()])
    const metrics = Object.fromEntries((one.connection.metrics?.() ?? []).map(({ name, value }) => [name, value]))
    expect(metrics).toMatchObject({
      lineside_line_requests_total: 2,
      lineside_line_timeouts_total: 0,
      lineside_line_late_answers_total: 0,
      lineside_line_crc_errors_total: 0,
      lineside_line_spared_total: 0,
      lineside_line_slowest_unit: 2,
    })
    expect(metrics['lineside_line_slowest_answer_seconds']).toBeGreaterThan(0.199)
    expect(metrics['lineside_line_use_ratio']).toBeGreaterThan(0.1)
    expect(metrics['lineside_line_use_ratio']).toBeLessThanOrEqual(1)
  })

  it('shows its numbers once, whoever of its devices has left', async () => {
    await using server = await startRtuFaultServer(rtuHonestly)
    await using line = await startSerialLine({ port: server.port })
    const first = watch('unit-1', serialConfig(line.path, { unit: 1 }), ['hr:1 u16'])
    await vi.waitFor(() => expect(first.seen.good).toBe(1))
    await using second = watch('unit-2', serialConfig(line.path, { unit: 2 }), ['hr:1 u16'])
    await vi.waitFor(() => expect(second.seen.good).toBe(1))
    const rows = (): unknown => {
      const all = [first, second].flatMap(({ device }) => device.metrics())
      return all.filter(({ name }) => name === 'lineside_line_requests_total').map(({ labels }) => labels)
    }
    expect(rows()).toEqual([{ line: line.path }])
    await first[Symbol.asyncDispose]()
    expect(rows()).toEqual([{ line: line.path }])
  })
})

describe('two devices with connections of their own to one place', () => {
  it('each show their own numbers', async () => {
    await using server = await startFaultServer(honestly)
    await using one = watch('one', tcpConfig(server.port, { shared: false }), ['hr:1 u16'])
    await using other = watch('other', tcpConfig(server.port, { shared: false }), ['hr:1 u16'])
    await vi.waitFor(() => expect([one.seen.good, other.seen.good]).toEqual([1, 1]))
    const labels = [one, other].map(({ device }) => device.metrics().find(({ name }) => name === 'lineside_line_requests_total')?.labels)
    expect(labels.map((label) => label?.['device'])).toEqual(['one', 'other'])
  })
})
