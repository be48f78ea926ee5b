import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadDriver } from '../../../src/control/drivers.ts'
import { findDriver } from '../../../src/site/drivers.ts'
import type { RawWrite, WriteOutcome } from '../../../src/south/driver.ts'
import { mixed, type SeededChance, seededChance } from '../chance.ts'
import type { RoundResult } from './chaos.ts'
import { DeviceRound, textOf } from './device-round.ts'
import { faultNames } from './modbus-liar.ts'
import { type Plan, planOf } from './modbus-plan.ts'
import { type Plant, startPlant } from './modbus-plant.ts'
import { Truth } from './modbus-truth.ts'
import { rtuWire, tcpWire } from './modbus-wire.ts'
import { patiently, settlesPatiently } from './patience.ts'

/** The product's own figure: a unit among several that was silent is asked again after 5 s. */
const probeMs = 5_000
/** For the other rounds, and for whatever else this machine does. */
const slackMs = 2_500
/** Two polls, whatever a slow line and what is asked besides make of that. */
const staleMsMax = 2_500
const settleMs = 20_000
const phases = 3
const lossesMax = 3
const wires = ['modbus-tcp', 'modbus-rtu-tcp', 'modbus-rtu'] as const

/** One device on one line: phases of faults, and after each a calm in which everything must come back. */
export async function modbusRound({ seed }: { readonly seed: number }): Promise<RoundResult> {
  const chance = seededChance(seed)
  const known = wires.filter((name) => findDriver(name) !== undefined)
  const plan = planOf(chance, ['modbus-tcp', ...known])
  const folder = mkdtempSync(join(tmpdir(), 'lineside-chaos-'))
  const round = new Round(plan, chance)
  try {
    await round.run(folder)
  } catch (error) {
    round.lose(`the round itself failed: ${error instanceof Error ? error.stack : String(error)}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return round.result()
}

class Round {
  readonly #plan: Plan
  readonly #chance: SeededChance
  readonly #truth = new Truth()
  readonly #losses: string[] = []
  readonly #counts = { faults: 0, values: 0, writes: 0, recoveryMs: 0 }
  #phase = 'the start'
  #lastWritten = 0

  constructor(plan: Plan, chance: SeededChance) {
    this.#plan = plan
    this.#chance = chance
  }

  lose(what: string): void {
    const { wire, units, modbus, timeoutMs } = this.#plan
    if (this.#losses.length < lossesMax)
      this.#losses.push(`${what} (${this.#phase}; ${wire}, units ${units}, ${timeoutMs} ms, ${textOf(modbus)})`)
  }

  result(): RoundResult {
    return { losses: this.#losses, ...this.#counts }
  }

  async run(folder: string): Promise<void> {
    const { wire, timeoutMs, units } = this.#plan
    const isRtu = wire !== 'modbus-tcp'
    const options = { wire: isRtu ? rtuWire : tcpWire, isRtu, truth: this.#truth, units, timeoutMs, chance: this.#chance }
    await using plant = await startPlant(options, { isSerial: wire === 'modbus-rtu' })
    const device = await this.#startDevice(plant, folder)
    const stop = new AbortController()
    const asking = this.#askAlong(device, stop.signal)
    try {
      await this.#calm(device)
      for (let phase = 0; phase < phases && this.#losses.length === 0; phase += 1) {
        await this.#trouble(plant, device)
        await this.#calm(device)
      }
    } finally {
      stop.abort() // also where the round itself fails: a device that is left alone tries to connect for ever, and keeps the process alive
      await asking
      const isLeft = await settlesPatiently(device[Symbol.asyncDispose](), { limitMs: slackMs, stallMs: timeoutMs / 3 })
      if (!isLeft) this.lose(`the device could not be left within ${slackMs} ms`)
    }
    for (const what of device.openFor(0)) this.lose(`${what} was never answered`)
    if (device.calledLateMs > slackMs) this.lose(`called ${Math.round(device.calledLateMs)} ms later than its pause allows`)
    this.#counts.values = device.values
    this.#counts.faults = plant.liar.done
  }

  async #startDevice(plant: Plant, stateFolder: string): Promise<DeviceRound> {
    const { wire, timeoutMs, modbus, scan, tags } = this.#plan
    return new DeviceRound({
      driver: await loadDriver(wire),
      config: { connection: { ...plant.connection, timeout: `${timeoutMs}ms` }, modbus },
      scan,
      tags,
      stateFolder,
      epoch: () => this.#truth.epoch,
      isTrue: (tag, value, since) => this.#isTrue(tag, value, since),
      written: (writes, outcomes) => this.#written(writes, outcomes),
      lose: (what) => this.lose(what),
    })
  }

  #isTrue(place: number, value: unknown, since: number): boolean {
    const tag = this.#plan.tags[place]
    const seen = textOf(value)
    for (let epoch = this.#truth.epoch; epoch > since; epoch -= 1) if (textOf(tag?.expected(this.#truth, epoch)) === seen) return true
    return false
  }

  /** Faults of a few kinds at once, silence, or nobody there. */
  async #trouble(plant: Plant, device: DeviceRound): Promise<void> {
    const chance = this.#chance
    const { wire } = this.#plan
    const kind = chance.pick(['mixed', 'mixed', 'mixed', 'mixed', 'silent', ...(wire === 'modbus-rtu' ? [] : (['closed'] as const))])
    const faults = kind === 'mixed' ? chance.some(faultNames(wire), chance.between(2, 6)) : (['dropped'] as const)
    const probability = kind === 'mixed' ? chance.pick([0.05, 0.2, 0.5, 1]) : 1
    this.#phase = kind === 'mixed' ? `${faults.join(' ')}, ${probability}` : kind
    if (kind === 'closed') await plant.setOpen(false)
    plant.liar.mix = { faults, probability }
    if (kind === 'silent') await this.#goesStale(device)
    else await sleep(chance.between(300, 2_500))
    for (const what of device.openFor(settleMs)) this.lose(`${what} has been open for ${settleMs} ms`)
    plant.liar.mix = { faults: [], probability: 0 }
    plant.startAnew()
    await plant.setOpen(true)
    this.#phase = `after ${this.#phase}`
  }

  /** What a silent device last said is not for long called good. */
  async #goesStale(device: DeviceRound): Promise<void> {
    const { timeoutMs } = this.#plan
    const limits = { limitMs: staleMsMax + 20 * timeoutMs, stallMs: timeoutMs / 3 }
    if ((await patiently(() => device.goodTags().length === 0, limits)) !== undefined) return
    this.lose(`${device.goodTags()[0]} is called good though its device has been silent for ${limits.limitMs} ms`)
  }

  async #calm(device: DeviceRound): Promise<void> {
    const { units, timeoutMs, wire, tags } = this.#plan
    const sinceMs = performance.now()
    const calledMs = 10 * timeoutMs + slackMs + (units.length > 1 || wire !== 'modbus-tcp' ? probeMs : 0)
    // A device that breaks off is left alone for up to 10 s: it is back within the pause that is due to it, and what takes time from there.
    const limitMs = (): number => device.leftAloneMs(sinceMs) + calledMs
    const isBack = (): boolean => device.missingSince(sinceMs).length === 0 && device.device.status().state === 'online'
    const tookMs = await patiently(isBack, { limitMs, stallMs: timeoutMs / 3 })
    if (tookMs === undefined) {
      const missing = device.missingSince(sinceMs)
      const { state, lastFault } = device.device.status()
      return this.lose(
        `not back after ${Math.round(limitMs())} ms, ${Math.round(device.leftAloneMs(sinceMs))} of them its pause: ${missing.length} of ${tags.length} tags, ${missing[0]}, ${state}, ${lastFault?.message}`,
      )
    }
    this.#counts.recoveryMs = Math.max(this.#counts.recoveryMs, tookMs)
    await sleep(this.#chance.between(100, 600))
  }

  /** Reads and writes beside the polls, one at a time: they go first, and more of them would leave a slow line no time for polls. */
  async #askAlong({ device }: DeviceRound, stop: AbortSignal): Promise<void> {
    const { tags } = this.#plan
    const chance = seededChance(this.#chance.between(0, 2 ** 31))
    const writable = tags.flatMap(({ isWritable }, tag) => (isWritable ? [tag] : []))
    while (!stop.aborted) {
      await sleep(chance.between(5, 150))
      const signal = AbortSignal.timeout(settleMs)
      if (chance.isLikely(0.5)) await device.read(chance.some([...tags.keys()], chance.between(1, 5)), signal).catch(() => [])
      else for (const tag of chance.some(writable, 1)) await device.write([{ tag, value: this.#nextValue() }], signal)
    }
  }

  /** No value is written twice, so that the plant can count what became of each. */
  #nextValue(): number {
    this.#lastWritten += 1
    return (mixed(this.#lastWritten) & 0xffff) * 65_536 + (this.#lastWritten & 0xffff)
  }

  #written(writes: readonly RawWrite[], outcomes: readonly WriteOutcome[]): void {
    for (const [place, { tag, value }] of writes.entries()) {
      const to = this.#plan.tags[tag]
      const outcome = outcomes[place]?.outcome
      if (to === undefined || outcome === undefined) {
        this.lose('a write had no outcome')
        continue
      }
      this.#counts.writes += 1
      const times = this.#truth.timesWritten({ ...to.place, start: to.place.start + 1 }, Number(value) & 0xffff)
      const isRight = outcome === 'done' ? times === 1 : outcome === 'failed' ? times === 0 : times <= 1
      if (!isRight) this.lose(`a write is called ${outcome}, and was carried out ${times} times`)
    }
  }
}
