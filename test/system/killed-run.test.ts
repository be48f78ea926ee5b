import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { connectAsync } from 'mqtt'
import { describe, expect, it, vi } from 'vitest'
import { type BrokerAbove, startBrokerAbove } from '../support/broker-above.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'

const slow = 120_000
const writesRegisters = 16
const writesCoil = 5

const flow = `flow: bake
version: 1
on: [{ tag: press/count, when: "value > 5" }]
steps:
  - id: heat
    write: { oven/setpoint: "\${trigger.value}" }
  - id: close
    write: { oven/gate: true }
  - id: tell
    publish: { topic: notices, payload: { count: "\${trigger.value}" } }
`

/** A press whose count begins a run, an oven that the run writes to, the broker that hears of it, and the daemon, which can be killed. */
class Line implements AsyncDisposable {
  readonly press: ModbusDevice
  readonly oven: ModbusDevice
  readonly above: BrokerAbove
  readonly daemon: DaemonProcess
  readonly #parts: AsyncDisposableStack
  #killed: Promise<unknown> | undefined

  private constructor(parts: AsyncDisposableStack, members: Pick<Line, 'press' | 'oven' | 'above' | 'daemon'>) {
    this.#parts = parts
    this.press = members.press
    this.oven = members.oven
    this.above = members.above
    this.daemon = members.daemon
  }

  static async start(): Promise<Line> {
    await using parts = new AsyncDisposableStack()
    const press = parts.use(await startModbusDevice())
    const oven = parts.use(await startModbusDevice())
    const above = parts.use(await startBrokerAbove())
    const extra = `upstreams:\n  plant: { url: "${above.url}", send: ["acme/test/line-1/notices"] }\n`
    const devices = { press: plcFile('press', press.port), oven: plcFile('oven', oven.port) }
    const daemon = parts.use(await DaemonProcess.start({ extra, devices, flows: { bake: flow } }))
    return new Line(parts.move(), { press, oven, above, daemon })
  }

  /** Makes the flow's condition true, having been false. */
  async trigger(value: number): Promise<void> {
    this.press.registers[0] = 0
    await vi.waitFor(async () => {
      expect(await this.daemon.tag('press/count')).toMatchObject({ value: 0, quality: 'good' })
      expect(await this.daemon.tag('oven/gate')).toMatchObject({ quality: 'good' })
    }, 10_000)
    this.press.registers[0] = value
  }

  /** At once: nothing of the daemon runs any more when this returns. */
  kill(): void {
    this.#killed ??= this.daemon.end('SIGKILL')
  }

  /** Once it is dead, the daemon is started on the same state; resolves when no run is open any more. */
  async revive(): Promise<void> {
    await vi.waitFor(() => expect(this.#killed).toBeDefined(), 10_000)
    await this.#killed
    this.#killed = undefined
    await this.daemon.start()
    await vi.waitFor(() => expect(this.runs().filter(({ state }) => state === null)).toEqual([]), 20_000)
  }

  /** What the journal says of the runs, oldest first. */
  runs(): readonly { readonly run: string; readonly state: string | null; readonly input: string }[] {
    return this.#rows('SELECT run, state, input FROM runs ORDER BY id')
  }

  records(): readonly { readonly run: string; readonly step: string; readonly status: string | null }[] {
    return this.#rows('SELECT runs.run, step, status FROM run_records JOIN runs ON runs.id = run_records.run ORDER BY run_records.id')
  }

  /** The parts of a run that the journal knows to be done. */
  done(run: string | undefined): readonly string[] {
    return this.records().flatMap((record) => (record.run === run && record.status === 'done' ? [record.step] : []))
  }

  events(): readonly string[] {
    return this.#rows<{ type: string }>("SELECT type FROM events WHERE type LIKE 'flow.%' ORDER BY id").map(({ type }) => type)
  }

  writes(code: number): readonly Buffer[] {
    return this.oven.requests.flatMap(({ pdu }) => (pdu[0] === code ? [pdu] : []))
  }

  /** How often the oven was told this setpoint. */
  heats(value: number): number {
    return this.writes(writesRegisters).filter((pdu) => pdu.readFloatBE(6) === value).length
  }

  notices(value: number): readonly string[] {
    return this.above.lines.filter((line) => line.includes(`/notices {"count":${value}}`))
  }

  #rows<Row>(query: string): readonly Row[] {
    const file = join(this.daemon.folder, 'state/journal.db')
    if (!existsSync(file)) return []
    const db = new Database(file, { readonly: true })
    try {
      return db.prepare<[], Row>(query).all()
    } finally {
      db.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }
}

describe('a run whose daemon is killed', () => {
  it('when the PLC has just been written to: goes on without writing again', { timeout: slow }, async () => {
    await using line = await Line.start()
    line.oven.intercept = ({ pdu }) => {
      if (pdu[0] === writesRegisters) line.kill()
      return undefined // it is done, and nobody hears of it
    }
    await line.trigger(6)
    await line.revive()
    expect(line.runs()).toMatchObject([{ state: 'completed' }])
    expect([line.heats(6), line.writes(writesCoil).length]).toEqual([1, 1])
    await vi.waitFor(() => expect(line.notices(6)).toHaveLength(1), 10_000)
    await vi.waitFor(() => expect(line.events()).toEqual(['flow.started', 'flow.resumed', 'flow.completed']), 10_000) // told after the end is kept
  })

  it('when a write was asked for and never arrived: ends unsettled, says so, and writes nothing', { timeout: slow }, async () => {
    await using line = await Line.start()
    line.oven.intercept = ({ pdu }) => {
      if (pdu[0] !== writesRegisters) return undefined
      line.kill()
      return 'silence'
    }
    await line.trigger(6)
    await line.revive()
    expect(line.runs()).toMatchObject([{ state: 'unsettled' }])
    expect([line.heats(6), line.writes(writesCoil).length, line.notices(6).length]).toEqual([1, 0, 0])
    await vi.waitFor(() => expect(line.events()).toEqual(['flow.started', 'flow.resumed', 'flow.unsettled']), 10_000) // told after the end is kept
  })

  it('as soon as the intent of a write is in the journal: writes it once or never, and knows which', { timeout: slow }, async () => {
    await using line = await Line.start()
    await line.trigger(6)
    while (!line.records().some(({ step }) => step.startsWith('heat'))) await turn()
    line.kill()
    await line.revive()
    const [run] = line.runs()
    const done = line.done(run?.run)
    expect([line.heats(6), line.oven.coils[0]]).toEqual([done.includes('heat/0') ? 1 : 0, done.includes('close/0') ? 1 : 0])
    expect(run?.state).toBe(done.includes('close/0') ? 'completed' : 'unsettled')
  })

  it('between two steps: leaves alone what the journal knows to be done', { timeout: slow }, async () => {
    await using line = await Line.start()
    line.oven.intercept = ({ pdu }) => {
      if (pdu[0] === writesCoil) line.kill()
      return undefined
    }
    await line.trigger(6)
    await vi.waitFor(() => expect(line.oven.coils[0]).toBe(1), 10_000)
    line.oven.registers.fill(0, 10, 12) // somebody turns the oven down meanwhile: a second write would show
    await line.revive()
    expect(line.runs()).toMatchObject([{ state: 'completed' }])
    expect([line.heats(6), line.writes(writesCoil).length, line.oven.registers[10]]).toEqual([1, 1, 0])
    await vi.waitFor(() => expect(line.notices(6)).toHaveLength(1), 10_000)
  })

  it('when its message is on its way: is finished, and the message arrives', { timeout: slow }, async () => {
    await using line = await Line.start()
    await line.above.stop()
    await line.trigger(6)
    while (!line.records().some(({ step }) => step === 'tell')) await turn()
    line.kill()
    await line.revive()
    expect(line.runs()).toMatchObject([{ state: 'completed' }])
    await line.above.start()
    await vi.waitFor(() => expect(line.notices(6).length).toBeGreaterThan(0), 20_000) // at least once
    expect([line.heats(6), line.writes(writesCoil).length]).toEqual([1, 1])
  })

  it('when its message has just been sent: sends it again, if at all, under the same key', { timeout: slow }, async () => {
    await using line = await Line.start()
    const keys: unknown[] = []
    const watcher = await connectAsync(line.above.url, { protocolVersion: 5 })
    await using _watcher = { [Symbol.asyncDispose]: () => watcher.endAsync(true) }
    watcher.on('message', (_topic, _payload, { properties }) => {
      if (keys.push(properties?.userProperties?.['idempotency-key']) === 1) line.kill()
    })
    await watcher.subscribeAsync('acme/test/line-1/notices', { qos: 1 })
    await line.trigger(6)
    await line.revive()
    expect(line.runs()).toMatchObject([{ state: 'completed' }])
    expect(new Set(keys)).toEqual(new Set([`${line.runs()[0]?.run}/tell`]))
  })

  it('at any moment, again and again: is finished, with no write done twice and no message lost', { timeout: slow }, async () => {
    await using line = await Line.start()
    const rounds = [0, 7, 18, 26, 31, 37, 44, 52, 63, 80].map((afterMs, round) => ({ afterMs, value: 10 + round, isClosed: false }))
    for (const round of rounds) {
      line.oven.coils[0] = 0
      await line.trigger(round.value)
      await pause(round.afterMs) // no state to wait for: the moment is what is tried
      line.kill()
      await line.revive()
      round.isClosed = line.oven.coils[0] === 1
    }
    for (const { value, isClosed } of rounds) {
      const runs = line.runs().filter(({ input }) => input.includes(`"value":${value},`))
      // A count that was never seen before the end begins nothing; a run that was begun is finished, and the journal knows how far it came.
      expect(runs.length, `runs of ${value}`).toBeLessThanOrEqual(1)
      const done = line.done(runs[0]?.run)
      expect([line.heats(value), isClosed], `writes of ${value}`).toEqual([done.includes('heat/0') ? 1 : 0, done.includes('close/0')])
      if (runs[0]?.state === 'completed') await vi.waitFor(() => expect(line.notices(value).length).toBeGreaterThan(0), 10_000)
      else expect([undefined, 'unsettled']).toContain(runs[0]?.state)
    }
    expect(line.runs().filter(({ state }) => state === 'completed').length).toBeGreaterThan(0)
  })
})
