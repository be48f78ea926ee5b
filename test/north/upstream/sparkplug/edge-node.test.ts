import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { BirthNumbers } from '../../../../src/north/upstream/sparkplug/birth-numbers.ts'
import { HostWatch } from '../../../../src/north/upstream/sparkplug/host-watch.ts'
import { type MonitorMetric, startMonitor, type Witnessed } from '../../../support/sparkplug-monitor.ts'
import { memoryLog } from '../../broker/gateway.ts'
import { freePort } from '../../support/program.ts'
import { FarBroker } from '../far-broker.ts'
import { MemoryOutbox } from '../memory-outbox.ts'
import { startCable, startEdge, startHost, stateFolder } from './edge.ts'
import { commandBytes, countOf } from './scenario.ts'

const waits = { timeout: 10_000, interval: 20 }

/** A mosquitto, a monitor, an edge node that has been born. */
async function plant(
  options: { readonly config?: object; readonly sparkplug?: object; readonly result?: object; readonly outbox?: MemoryOutbox } = {},
) {
  const parts = new AsyncDisposableStack()
  const far = parts.use(new FarBroker(await freePort()))
  await far.start()
  const monitor = parts.use(await startMonitor(far.port))
  const host = parts.use(await startHost(far.port))
  const folder = parts.use(await stateFolder())
  const cable = parts.use(await startCable(far.port))
  const edge = parts.use(startEdge({ url: `mqtt://127.0.0.1:${cable.port}`, stateFolder: folder.path, ...options }))
  await vi.waitFor(() => expect(countOf(monitor.seen, 'DBIRTH')).toBe(2), waits)
  return { far, seen: monitor.seen, host, folder, cable, edge, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

const aliasOf = (seen: readonly Witnessed[], device: string, name: string): bigint | undefined =>
  seen.findLast((message) => message.type === 'DBIRTH' && message.device === device)?.payload.metrics.find((metric) => metric.name === name)
    ?.alias

const valuesOf = (seen: readonly Witnessed[], alias: bigint | undefined): readonly MonitorMetric[] =>
  seen.filter(({ type }) => type === 'DDATA').flatMap(({ payload }) => payload.metrics.filter((metric) => metric.alias === alias))

describe('a Sparkplug edge node', () => {
  it('gives a server up that answers no PINGREQ for as long as its canary may be silent', { timeout: 40_000 }, async () => {
    await using line = await plant({ config: { canary: '1s', keepalive: '1h' } })
    expect(line.edge.edge.status().echoAgeMs).toBeLessThan(5_000)
    line.far.signal('SIGSTOP')
    await vi.waitFor(() => expect(line.edge.edge.status().lastFault?.code).toBe('upstream.half-open'), { timeout: 15_000, interval: 20 })
    line.edge.set('filler/level', 9)
    line.far.signal('SIGCONT')
    await vi.waitFor(() => expect(line.edge.edge.status().state).toBe('online'), { timeout: 15_000, interval: 20 })
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), { timeout: 15_000, interval: 20 })
  })

  it('says types, units, ranges and quality in its births', async () => {
    await using line = await plant()
    const metrics = line.seen.flatMap(({ type, payload }) => (type === 'DBIRTH' ? payload.metrics : []))
    const metric = (name: string) => metrics.find((found) => found.name === name)
    expect(metric('hydraulics/pressure')).toMatchObject({ datatype: 9n, value: 120.5 })
    expect(metric('hydraulics/pressure')?.properties).toMatchObject({
      Quality: { type: 3n, value: 192n },
      readOnly: { type: 11n, value: 1n },
      engUnit: { type: 12n, value: 'bar' },
      engLow: { type: 10n, value: 0 },
      engHigh: { type: 10n, value: 250 },
    })
    expect(metric('recipe/setpoint')?.properties).toMatchObject({ readOnly: { value: 0n } })
    expect(metric('zones')).toMatchObject({ datatype: 23n, value: Buffer.from([1, 0, 0xfe, 0xff, 3, 0]) })
    expect(metric('started')).toMatchObject({ datatype: 13n, value: BigInt(Date.parse('2026-11-21T02:30:00.123Z')) })
    expect(metric('count')).toMatchObject({ datatype: 8n, value: 2n ** 63n + 1n })
    expect(metric('level')).toMatchObject({ datatype: 1n, isNull: true })
    expect(metric('guess')).toBeUndefined() // nobody knows its type yet
  })

  it('leaves a will at QoS 1 that names the very birth it ends, at each connection', async () => {
    await using line = await plant()
    const numbersOf = (type: string) =>
      line.seen.filter((message) => message.type === type).map(({ payload }) => payload.metrics.find(({ name }) => name === 'bdSeq')?.value)
    for (const lives of [1, 2]) {
      line.cable.cut()
      await vi.waitFor(() => expect(countOf(line.seen, 'NDEATH')).toBe(lives), waits)
      await vi.waitFor(() => expect(countOf(line.seen, 'NBIRTH')).toBe(lives + 1), waits)
    }
    expect({ births: numbersOf('NBIRTH'), deaths: numbersOf('NDEATH') }).toEqual({ births: [0n, 1n, 2n], deaths: [0n, 1n] })
    const wills = line.far.lines().filter((text) => text.includes('Will message specified'))
    expect(wills.filter((text) => !text.includes('(r0, q1)'))).toEqual([])
    expect(wills).toHaveLength(3)
  })

  it('says its birth before anything else when it comes back, though much waits', async () => {
    await using line = await plant()
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    line.edge.outbox.isBroken = true // what is set now is sent by nobody before the cut
    for (let n = 0; n < 100; n += 1) line.edge.set('press-07/hydraulics/pressure', n)
    line.cable.cut()
    await vi.waitFor(() => expect(countOf(line.seen, 'NDEATH')).toBe(1), waits)
    line.edge.outbox.isBroken = false
    const afterDeath = () => line.seen.slice(line.seen.findIndex(({ type }) => type === 'NDEATH') + 1).map(({ type }) => type)
    await vi.waitFor(() => expect(afterDeath().length).toBeGreaterThan(0), waits)
    expect(afterDeath()[0]).toBe('NBIRTH')
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    expect(afterDeath()).toContain('DDATA')
  })

  it('sends data by alias, without name and type, which the birth has said', async () => {
    await using line = await plant()
    line.edge.set('press-07/hydraulics/pressure', 7.5)
    const alias = aliasOf(line.seen, 'press-07', 'hydraulics/pressure')
    await vi.waitFor(() => expect(valuesOf(line.seen, alias).some(({ value }) => value === 7.5)).toBe(true), waits)
    for (const { name, datatype } of valuesOf(line.seen, alias))
      expect({ name, datatype }).toEqual({ name: undefined, datatype: undefined })
  })

  it('bears a device again when the type of a tag becomes known', async () => {
    await using line = await plant()
    line.edge.set('filler/guess', 7.5)
    await vi.waitFor(() => expect(countOf(line.seen, 'DBIRTH', 'filler')).toBe(2), waits)
    const birth = line.seen.findLast(({ type }) => type === 'DBIRTH')
    expect(birth?.payload.metrics.find(({ name }) => name === 'guess')).toMatchObject({ datatype: 10n, value: 7.5 })
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
  })

  it('loses no value while it is away, and sends as history what is no longer the present', async () => {
    await using line = await plant()
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    const expected: number[] = []
    line.edge.outbox.isBroken = true
    line.cable.cut()
    for (let n = 0; n < 1_500; n += 1) {
      line.edge.set('press-07/hydraulics/pressure', n)
      expected.push(n)
    }
    line.edge.outbox.isBroken = false
    await vi.waitFor(() => expect(countOf(line.seen, 'NBIRTH')).toBe(2), waits)
    for (let n = 1_500; n < 1_600; n += 1) {
      line.edge.set('press-07/hydraulics/pressure', n)
      expected.push(n)
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    const second = line.seen.slice(line.seen.findLastIndex(({ type }) => type === 'NBIRTH'))
    const values = valuesOf(second, aliasOf(second, 'press-07', 'hydraulics/pressure'))
    const born = second.find(({ device }) => device === 'press-07')?.payload.metrics.find(({ name }) => name === 'hydraulics/pressure')
    const told = new Set([born?.value, ...values.map(({ value }) => value)])
    expect(expected.filter((value) => !told.has(value))).toEqual([])
    const history = values.filter(({ isHistorical }) => isHistorical)
    expect(history.length).toBeGreaterThan(1_000)
    expect(history.map(({ value }) => value)).toEqual(history.map(({ value }) => value).toSorted((a, b) => Number(a) - Number(b)))
    const live = values.filter(({ isHistorical }) => !isHistorical).map(({ value }) => Number(value))
    expect(live.at(-1)).toBe(1_599)
    expect(live).toEqual(live.toSorted((a, b) => a - b))
    expect(line.edge.metric('sparkplug_historical_total')).toBe(history.length)
  })

  it('sends history at the pace that the site says, and live values at once beside it', { timeout: 30_000 }, async () => {
    await using line = await plant({ config: { backlog: 500 } })
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    line.edge.outbox.isBroken = true
    line.cable.cut()
    for (let n = 0; n < 1_000; n += 1) line.edge.set('press-07/hydraulics/pressure', n)
    line.edge.outbox.isBroken = false
    await vi.waitFor(() => expect(countOf(line.seen, 'NBIRTH')).toBe(2), waits)
    const begun = systemClock.elapsed()
    const historyOf = () => {
      const second = line.seen.slice(line.seen.findLastIndex(({ type }) => type === 'NBIRTH'))
      const alias = (name: string) => aliasOf(second, name.startsWith('count') ? 'filler' : 'press-07', name)
      const live = valuesOf(second, alias('count')).some(({ value }) => value === 77n)
      return { live, history: valuesOf(second, alias('hydraulics/pressure')).filter(({ isHistorical }) => isHistorical).length }
    }
    line.edge.set('filler/count', 77n)
    await vi.waitFor(() => expect(historyOf().live).toBe(true), waits)
    expect(historyOf().history).toBeLessThan(900)
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    expect(historyOf().history).toBeGreaterThan(900)
    expect(systemClock.elapsed() - begun).toBeGreaterThan(1_500) // 1,000 of them at 500 a second, less what may go at once
  })

  it('keeps the values of a dead device on the disk until it is born again', async () => {
    await using line = await plant()
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    line.edge.devices('connecting', 'press-07')
    await vi.waitFor(() => expect(countOf(line.seen, 'DDEATH', 'press-07')).toBe(1), waits)
    line.edge.set('press-07/recipe/setpoint', 1)
    line.edge.set('filler/count', 9n)
    line.edge.set('press-07/recipe/setpoint', 2)
    await vi.waitFor(
      () => expect(line.edge.outbox.rows.map(({ subject }) => subject)).toEqual(['press-07/recipe/setpoint', 'press-07/recipe/setpoint']),
      waits,
    )
    line.edge.devices('online', 'press-07')
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    const alias = aliasOf(line.seen, 'press-07', 'recipe/setpoint')
    expect(valuesOf(line.seen, alias)).toMatchObject([{ value: 1, isHistorical: true }])
  })

  it('takes out of the outbox only what the server has surely taken in', async () => {
    await using line = await plant()
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
    line.far.signal('SIGSTOP')
    line.edge.set('filler/count', 1n)
    await vi.waitFor(() => expect(line.edge.edge.status().state).toBe('connecting'), waits)
    expect(line.edge.outbox.rows).toHaveLength(1)
    line.far.signal('SIGCONT')
    await vi.waitFor(() => expect(line.edge.outbox.rows).toEqual([]), waits)
  })

  it('brings commands to the command road, and says how they ended', async () => {
    await using line = await plant({ result: { status: 'failed', code: 'write.not-confirmed', message: 'It reads 41.', value: 41 } })
    await line.host.publish('spBv1.0/munich/DCMD/edge-07/press-07', commandBytes.setpoint)
    await vi.waitFor(
      () =>
        expect(line.edge.asked).toMatchObject([
          { tag: 'press-07/recipe/setpoint', value: 42, by: { road: 'upstream', name: 'plant', role: 'operator' } },
        ]),
      waits,
    )
    const alias = aliasOf(line.seen, 'press-07', 'Device Control/Last Command')
    await vi.waitFor(() => expect(valuesOf(line.seen, alias)).toHaveLength(1), waits)
    expect(JSON.parse(String(valuesOf(line.seen, alias)[0]?.value))).toMatchObject({
      metric: 'recipe/setpoint',
      status: 'failed',
      code: 'write.not-confirmed',
      value: 41,
    })
    await line.host.publish('spBv1.0/munich/NCMD/edge-07', commandBytes.rebirth)
    const births = () => line.seen.filter(({ type, device }) => type === 'DBIRTH' && device === 'press-07')
    await vi.waitFor(() => expect(births().length).toBeGreaterThan(1), waits)
    const told = births()
      .at(-1)
      ?.payload.metrics.find(({ name }) => name === 'Device Control/Last Command')
    expect(String(told?.value)).toContain('write.not-confirmed')
  })

  it('refuses commands where no role is given, and says so in its births', async () => {
    await using line = await plant({ sparkplug: { role: undefined } })
    const birth = line.seen.find(({ type, device }) => type === 'DBIRTH' && device === 'press-07')
    expect(birth?.payload.metrics.find(({ name }) => name === 'recipe/setpoint')?.properties).toMatchObject({ readOnly: { value: 1n } })
    await line.host.publish('spBv1.0/munich/DCMD/edge-07/press-07', commandBytes.setpoint)
    const alias = aliasOf(line.seen, 'press-07', 'Device Control/Last Command')
    await vi.waitFor(() => expect(String(valuesOf(line.seen, alias)[0]?.value)).toContain('sparkplug.commands-off'), waits)
    expect(line.edge.asked).toEqual([])
    expect(line.edge.refused).toMatchObject([{ tag: 'press-07/recipe/setpoint', code: 'sparkplug.commands-off' }])
  })

  it('survives whatever is sent to it as a command', async () => {
    await using line = await plant()
    for (const noise of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.alloc(300_000, 0x12), Buffer.from('ONLINE')]) {
      await line.host.publish('spBv1.0/munich/DCMD/edge-07/press-07', noise)
      await line.host.publish('spBv1.0/munich/NCMD/edge-07', noise)
      await line.host.publish('spBv1.0/munich/DCMD/edge-07/nobody', noise)
    }
    await line.host.publish('spBv1.0/munich/DCMD/edge-07/press-07', commandBytes.setpoint)
    await vi.waitFor(() => expect(line.edge.asked).toHaveLength(1), waits)
    expect(countOf(line.seen, 'NBIRTH')).toBe(1)
  })

  it('answers a flood of rebirth requests at its own pace', async () => {
    await using line = await plant()
    for (let n = 0; n < 50; n += 1) await line.host.publish('spBv1.0/munich/NCMD/edge-07', commandBytes.rebirth)
    await vi.waitFor(() => expect(countOf(line.seen, 'NBIRTH')).toBe(2), waits)
    expect(line.edge.metric('sparkplug_rebirths_total')).toBe(50)
    expect(countOf(line.seen, 'NBIRTH')).toBeLessThanOrEqual(3)
  })

  it('takes rows out that Sparkplug cannot carry, counts them, and says so once', async () => {
    const outbox = new MemoryOutbox()
    outbox.accept(
      { kind: 'message', subject: 'a/b', body: '{}' },
      { kind: 'sample', subject: 'gone/tag', body: '{}' },
      { kind: 'sample', subject: 'filler/count', body: 'no sample' },
    )
    await using line = await plant({ outbox })
    await vi.waitFor(() => expect(outbox.rows).toEqual([]), waits)
    expect(line.edge.metric('upstream_unsendable_total')).toBe(3)
    expect(outbox.refused).toEqual([1, 2, 3])
    expect(line.edge.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })
})

describe('the bdSeq of an edge node', () => {
  it('begins at 0, goes on after a restart, comes round after 255, and begins anew after a damage', async () => {
    await using folder = await stateFolder()
    const log = memoryLog()
    const numbers = () => new BirthNumbers({ stateFolder: folder.path, upstream: 'plant', log })
    const first = numbers()
    expect([await first.next(), await first.next()]).toEqual([0, 1])
    expect(await numbers().next()).toBe(2)
    const path = join(folder.path, 'sparkplug', 'plant.json')
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ bdSeq: 2 })
    await writeFile(path, '{"bdSeq":255}')
    expect(await numbers().next()).toBe(0)
    await writeFile(path, 'junk')
    expect(await numbers().next()).toBe(0)
    expect(log.lines).toHaveLength(1)
  })

  it('keeps nobody from connecting when the disk takes nothing', async () => {
    await using folder = await stateFolder()
    await writeFile(join(folder.path, 'sparkplug'), 'a file stands where the folder should')
    const log = memoryLog()
    const numbers = new BirthNumbers({ stateFolder: folder.path, upstream: 'plant', log })
    expect([await numbers.next(), await numbers.next()]).toEqual([0, 1])
    expect(log.lines.filter(({ message }) => message.includes('cannot be kept'))).toHaveLength(1)
  })
})

describe('the watch of a primary host', () => {
  it('takes no word that is older than the last', () => {
    const watch = new HostWatch()
    watch.take({ isOnline: true, timestampMs: 10 })
    watch.take({ isOnline: false, timestampMs: 9 })
    expect(watch.isOnline).toBe(true)
    watch.take({ isOnline: false, timestampMs: 10 })
    expect(watch.isOnline).toBe(false)
  })
})
