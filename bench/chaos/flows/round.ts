import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import { freePort } from '../../line/free-port.ts'
import { temporaryFolder } from '../../line/round.ts'
import { type SeededChance, seededChance } from '../chance.ts'
import { ChaosDaemon } from '../daemon.ts'
import { type JudgedRun, lossesOf, runsIn } from './judge.ts'
import { lanes, Orders } from './orders.ts'
import { LedgerPlant } from './plant.ts'
import { LedgerService } from './service.ts'
import { backAt, registerOf, writeSite } from './site.ts'

export interface FlowsRoundOptions {
  readonly seed: number
  /** Faults in a row; each kind comes before one comes again. */
  readonly steps: number
}

export interface FlowsRoundResult {
  readonly losses: readonly string[]
  readonly faults: number
  /** Runs that have ended, by their state. */
  readonly ended: Readonly<Record<string, number>>
  /** Requests that came once more, under the key of before. */
  readonly repeated: number
  readonly recoveryMs: number
}

const backMsMax = 60_000
const drainedMsMax = 60_000
const lookEveryMs = 50
const lossesMax = 20

interface Parts {
  readonly daemon: ChaosDaemon
  readonly plant: LedgerPlant
  readonly service: LedgerService
  readonly orders: Orders
  /** `told 7`, `closed 7`. */
  readonly heard: ReadonlySet<string>
  readonly stateFolder: string
}

/** A gateway under load whose daemon and threads are killed one after the other; at the end every run has ended, and all whom it has told of an order agree. */
export async function flowsRound({ seed, steps }: FlowsRoundOptions): Promise<FlowsRoundResult> {
  using folder = temporaryFolder()
  await using plant = await LedgerPlant.start()
  await using service = await LedgerService.start()
  const ports = { mqtt: await freePort(), api: await freePort() }
  const { site, stateFolder } = writeSite({ folder: folder.path, ports, plantPort: plant.port, serviceUrl: service.url })
  await using daemon = new ChaosDaemon({ site, stateFolder, inspectorPort: await freePort(), command: (command) => command })
  daemon.start()
  await using listener = await startListener(ports.mqtt)
  await using orders = new Orders(ports.mqtt)
  return await new Round({ daemon, plant, service, orders, heard: listener.heard, stateFolder }, seededChance(seed)).run(steps)
}

/** A client with a session that outlives the daemon's lives. */
async function startListener(port: number): Promise<AsyncDisposable & { readonly heard: ReadonlySet<string> }> {
  const heard = new Set<string>()
  const endMs = performance.now() + backMsMax
  for (;;) {
    try {
      const options = { clientId: 'judge', clean: false, reconnectPeriod: 100, connectTimeout: 2_000 } as const
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`, options, false)
      client.on('error', () => {})
      client.on('message', (topic, payload) => {
        const { number } = JSON.parse(String(payload)) as { readonly number: number }
        heard.add(`${topic.split('/')[2]} ${number}`)
      })
      await client.subscribeAsync(['chaos/line/told/+', 'chaos/line/closed/+'], { qos: 1 })
      return { heard, [Symbol.asyncDispose]: async () => void client.end(true) }
    } catch (error) {
      if (performance.now() > endMs) throw error
      await sleep(100)
    }
  }
}

class Round {
  readonly #parts: Parts
  readonly #chance: SeededChance
  readonly #losses: string[] = []
  #faults = 0
  #recoveryMs = 0

  constructor(parts: Parts, chance: SeededChance) {
    this.#parts = parts
    this.#chance = chance
  }

  async run(steps: number): Promise<FlowsRoundResult> {
    await this.#calm('the start')
    const bag: string[] = []
    for (let step = 0; step < steps && this.#losses.length === 0; step += 1) {
      if (bag.length === 0) bag.push(...this.#chance.some(['daemon', 'store', 'north', 'control', 'daemon'], 5))
      const what = bag.shift() ?? 'daemon'
      this.#faults += 1
      await this.#kill(what)
      await this.#calm(`${what} was killed`)
    }
    const runs = this.#losses.length === 0 ? await this.#settle() : []
    const { service } = this.#parts
    const ended = Object.fromEntries([...Map.groupBy(runs, ({ state }) => String(state))].map(([state, group]) => [state, group.length]))
    return {
      losses: this.#losses.slice(0, lossesMax),
      faults: this.#faults,
      ended,
      repeated: service.repeated,
      recoveryMs: this.#recoveryMs,
    }
  }

  async #kill(what: string): Promise<void> {
    const { daemon } = this.#parts
    if (what !== 'daemon') await daemon.crashThread(what)
    if (what === 'store' || what === 'north') return
    await daemon.kill() // it ends by itself where the control room has failed: whoever runs it starts it again
    await sleep(this.#chance.between(0, 500))
    daemon.start()
  }

  /** Until orders are closed again. */
  async #calm(after: string): Promise<void> {
    const { daemon, heard } = this.#parts
    const beganMs = performance.now()
    const before = heard.size
    while (!((await daemon.isReady()) && heard.size > before + lanes)) {
      if (daemon.hasDied !== undefined) return this.#lose(`the daemon ended by itself after ${after}: ${daemon.hasDied.slice(-1_500)}`)
      if (performance.now() - beganMs > backMsMax)
        return this.#lose(`not back ${backMsMax} ms after ${after}: ${daemon.said.slice(-1_500)}`)
      await sleep(lookEveryMs)
    }
    this.#recoveryMs = Math.max(this.#recoveryMs, performance.now() - beganMs)
    await sleep(this.#chance.between(200, 1_500))
  }

  /** No more orders; all that were taken come to their end, and the books are compared. */
  async #settle(): Promise<readonly JudgedRun[]> {
    const { daemon, orders, heard, stateFolder } = this.#parts
    await orders.end()
    const endMs = performance.now() + drainedMsMax
    for (let quiet = 0, last = -1; quiet < 20; await sleep(lookEveryMs)) {
      const open = ((await daemon.metric('lineside_flow_runs_under_way')) ?? 1) + ((await daemon.metric('lineside_flow_waiting')) ?? 1)
      quiet = open === 0 && heard.size === last ? quiet + 1 : 0
      last = heard.size
      if (performance.now() > endMs) {
        this.#lose(`${open} runs have not ended after ${drainedMsMax} ms`)
        break
      }
    }
    await daemon.kill()
    const runs = runsIn(stateFolder)
    this.#judge(runs)
    return runs
  }

  #judge(runs: readonly JudgedRun[]): void {
    const { plant, service, orders, heard } = this.#parts
    const byOrder = Map.groupBy(runs, ({ order }) => order)
    for (const order of orders.acknowledged)
      if (!byOrder.has(order)) this.#lose(`order ${order} was acknowledged, and nothing began with it`)
    for (const [order, own] of byOrder) if (own.length > 1) this.#lose(`order ${order} has ${own.length} runs`)
    for (const run of runs) {
      const register = registerOf(run.order % lanes)
      const seen = {
        counted: plant.times(register, run.order),
        takenBack: plant.times(register + backAt, run.order),
        keys: service.keys.get(run.order)?.size ?? 0,
        told: heard.has(`told ${run.order}`),
        closed: heard.has(`closed ${run.order}`),
      }
      for (const what of lossesOf(run, seen)) this.#lose(what)
    }
    for (let lane = 0; lane < lanes; lane += 1) {
      for (const order of plant.values(registerOf(lane))) if (!byOrder.has(order)) this.#lose(`order ${order} was counted without a run`)
    }
  }

  #lose(what: string): void {
    this.#losses.push(what)
  }
}
