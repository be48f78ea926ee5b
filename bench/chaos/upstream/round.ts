import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../../line/round.ts'
import { buildNative } from '../../south/native.ts'
import { type SeededChance, seededChance } from '../chance.ts'
import { FarSide } from './far-side.ts'
import { ChaosGateway, upstream } from './gateway.ts'
import { type Machine, openMachine } from './machine.ts'

export interface UpstreamRoundOptions {
  readonly seed: number
  /** Faults in a row; each kind comes before one comes again. */
  readonly steps: number
  say(text: string): void
}

export interface UpstreamRoundResult {
  readonly losses: readonly string[]
  readonly faults: number
  /** Different messages that the far broker has acknowledged. */
  readonly messages: number
  /** Of these, sent once more; the receiver knows them by their numbers. */
  readonly resent: number
  /** The longest time from the end of a fault to an upstream that takes messages. */
  readonly recoveryMs: number
}

type Fault = (parts: Parts) => Promise<void>

interface Parts {
  readonly machine: Machine
  readonly far: FarSide
  readonly gateway: ChaosGateway
  readonly chance: SeededChance
}

const backMsMax = 60_000
const drainedMsMax = 60_000
const lookEveryMs = 50

const faults: Readonly<Record<string, Fault>> = {
  killDaemon: async ({ gateway, chance }) => {
    await gateway.kill()
    await sleep(chance.between(0, 800))
    gateway.start()
  },
  crashNorth: async ({ gateway }) => void (await gateway.crashThread('north')),
  crashStore: async ({ gateway }) => void (await gateway.crashThread('store')),
  killBroker: async ({ far, chance }) => {
    await far.killBroker()
    await sleep(chance.between(100, 2_000))
    await far.startBroker()
  },
  hangBroker: async ({ far, chance }) => {
    far.signal('SIGSTOP')
    await sleep(chance.between(500, 4_000))
    far.signal('SIGCONT')
  },
  cut: async ({ far }) => far.cut(),
  halfOpen: async ({ machine, far, chance }) => {
    if (machine.network === undefined) far.swallow()
    else machine.network.drop()
    await sleep(chance.between(1_000, 5_000))
    if (machine.network === undefined) far.endSwallowing()
    else machine.network.heal()
  },
  fullDisk: async ({ machine, chance }) => {
    machine.disk?.fill()
    await sleep(chance.between(500, 2_500))
    machine.disk?.empty()
  },
  stallDisk: async ({ machine }) => {
    machine.disk?.freeze()
    await sleep(1_000)
    machine.disk?.thaw()
  },
}
/** Of one broker, one thing at a time. */
const ofBroker = new Set(['killBroker', 'hangBroker'])
/** A full disk cannot be emptied while it stands still. */
const ofDisk = new Set(['fullDisk', 'stallDisk'])

/** A gateway and its far broker through one fault after the other, some of them at once; at the end all that was accepted has been acknowledged, once by number, in order. */
export async function upstreamRound(options: UpstreamRoundOptions): Promise<UpstreamRoundResult> {
  const { seed, say } = options
  using folder = temporaryFolder()
  using machine = openMachine({ folder: folder.path, say })
  await using far = await FarSide.start({ folder: folder.path, host: machine.host })
  const plant = buildNative('modbus-server', folder.path)
  await using gateway = await ChaosGateway.start({ machine, folder: folder.path, plant, farPort: far.port })
  return await new Round({ machine, far, gateway, chance: seededChance(seed) }, options).run()
}

class Round {
  readonly #parts: Parts
  readonly #options: UpstreamRoundOptions
  readonly #losses: string[] = []
  #faults = 0
  #recoveryMs = 0

  constructor(parts: Parts, options: UpstreamRoundOptions) {
    this.#parts = parts
    this.#options = options
  }

  async run(): Promise<UpstreamRoundResult> {
    const { chance, far } = this.#parts
    await this.#calm('the start')
    const bag: string[] = []
    for (let step = 0; step < this.#options.steps && this.#losses.length === 0; step += 1) {
      if (bag.length === 0) bag.push(...chance.some(Object.keys(faults), Object.keys(faults).length))
      const [first = 'cut', ...others] = bag.splice(0, 1)
      const second = chance.isLikely(0.4) ? chance.pick(Object.keys(faults) as [string, ...string[]]) : undefined
      const names = second === undefined || !mayCoincide(first, second) ? [first, ...others] : [first, second]
      this.#faults += names.length
      await this.#trouble(names)
      await this.#calm(names.join(' and '))
    }
    if (this.#losses.length === 0) await this.#settle()
    const { acknowledged, resent, losses } = far.judge
    return { losses: [...this.#losses, ...losses], faults: this.#faults, messages: acknowledged, resent, recoveryMs: this.#recoveryMs }
  }

  async #trouble(names: readonly string[]): Promise<void> {
    const { chance } = this.#parts
    const delays = names.map((_, place) => (place === 0 ? 0 : chance.between(0, 1_500)))
    await Promise.all(
      names.map(async (name, place) => {
        await sleep(delays[place])
        await faults[name]?.(this.#parts)
      }),
    )
  }

  /** Until the daemon is ready and the far broker acknowledges what is new. */
  async #calm(after: string): Promise<void> {
    const { far, gateway, chance } = this.#parts
    const beganMs = performance.now()
    const before = far.judge.acknowledged
    for (;;) {
      if (gateway.hasDied !== undefined) return this.#lose(`the daemon ended by itself after ${after}: ${gateway.hasDied.slice(-1_500)}`)
      const isBack =
        far.judge.acknowledged > before && (await gateway.isReady()) && (await gateway.metric('lineside_upstream_connected')) === 1
      if (isBack) break
      if (performance.now() - beganMs > backMsMax)
        return this.#lose(`not back ${backMsMax} ms after ${after}: ${gateway.said.slice(-1_500)}`)
      await sleep(lookEveryMs)
    }
    this.#recoveryMs = Math.max(this.#recoveryMs, performance.now() - beganMs)
    const lost = await gateway.metric('lineside_outbox_lost_before_disk_total')
    if (lost !== undefined && lost > 0) this.#lose(`${lost} values found no room before the disk, after ${after}`)
    await sleep(chance.between(200, 1_000))
  }

  /** The plant stands still; what was accepted goes up to the last row. */
  async #settle(): Promise<void> {
    const { gateway } = this.#parts
    gateway.stopPlant()
    const endMs = performance.now() + drainedMsMax
    for (let last = -1; performance.now() < endMs; ) {
      const numbered = await gateway.metric('lineside_outbox_numbered_total')
      const waiting = await gateway.metric('lineside_outbox_waiting_rows')
      const beforeDisk = await gateway.metric('lineside_outbox_waiting_for_disk')
      if (numbered !== undefined && waiting === 0 && beforeDisk === 0 && numbered === last) return await this.#judge()
      last = waiting === 0 ? (numbered ?? -1) : -1
      await sleep(1_000)
    }
    this.#lose(`the outbox is not empty after ${drainedMsMax} ms`)
  }

  async #judge(): Promise<void> {
    const { far, gateway } = this.#parts
    const { judge } = far
    const ledgers = new Set(judge.streams.map((stream) => stream.split('/')[2]))
    if (ledgers.size !== 1) this.#lose(`the outbox was begun ${ledgers.size} times: ${judge.streams.join(', ')}`)
    for (const stream of judge.streams) {
      const name = stream.split('/').at(-1) ?? ''
      const numbered = (await gateway.metric('lineside_outbox_numbered_total', `stream="${name}"`)) ?? Number.NaN
      if (numbered !== judge.highest(stream))
        this.#lose(`${stream}: ${numbered} accepted, but ${judge.highest(stream)} is the last that came`)
      const missing = judge.missing(stream, numbered)
      if (missing.length > 0) this.#lose(`${stream}: ${missing.length} of ${numbered} never acknowledged, the first is ${missing[0]}`)
    }
    const unexplained = await gateway.metric('lineside_outbox_missing')
    if (unexplained !== 0) this.#lose(`the gateway's own ledger misses ${unexplained}`)
    for (const what of ['dropped', 'thinned', 'refused_above']) {
      const count = await gateway.metric(
        what === 'dropped' ? 'lineside_outbox_dropped_total' : `lineside_outbox_${what}_total`,
        `upstream="${upstream}"`,
      )
      if (count !== 0) this.#lose(`${count} rows were ${what}`)
    }
  }

  #lose(what: string): void {
    this.#losses.push(what)
  }
}

function mayCoincide(one: string, other: string): boolean {
  const isShared = (group: ReadonlySet<string>): boolean => group.has(one) && group.has(other)
  return one !== other && !isShared(ofBroker) && !isShared(ofDisk)
}
