import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadDriver } from '../../../src/control/drivers.ts'
import { freePort } from '../../line/free-port.ts'
import { opcuaAnswers } from '../../line/opcua-probe.ts'
import { type Program, startProgram } from '../../line/process.ts'
import { until } from '../../line/until.ts'
import { type SeededChance, seededChance } from '../chance.ts'
import type { RoundResult } from './chaos.ts'
import { DeviceRound } from './device-round.ts'
import { patiently, settlesPatiently } from './patience.ts'

const stepMs = 100
const firstItems = 250
const phases = 3
const lossesMax = 3
/** Making its certificate takes a server half a minute where the machine is busy. */
const startMs = 120_000
/** From the first call to a server that answers again to every value: connecting, the subscription, and what else this machine does. */
const calledMs = 7_300
/** Silence is noticed after twice the keep-alive of 0.8 s and a heartbeat. */
const noticedMs = 5_000
/** Of a pause beyond what is allowed: what else this machine does. */
const lateMsMax = 2_500
const leaveMs = 3_000
const stallMs = 100

const troubles = ['kill', 'killShifted', 'hang', 'hangBriefly', 'dropSessions', 'refuseCertificates'] as const
type Trouble = (typeof troubles)[number]

/** One subscribed device, and its server's misfortunes. */
export async function opcuaRound({ seed }: { readonly seed: number }): Promise<RoundResult> {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-chaos-opcua-'))
  const round = new Round(seededChance(seed), folder)
  try {
    await round.run()
  } catch (error) {
    round.lose(`the round itself failed: ${error instanceof Error ? error.stack : String(error)}`)
  } finally {
    await round.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return round.result()
}

class Round {
  readonly #chance: SeededChance
  readonly #folder: string
  readonly #losses: string[] = []
  readonly #counts = { faults: 0, values: 0, writes: 0, recoveryMs: 0 }
  readonly #lastStep = new Map<number, number>()
  readonly #items: number
  readonly #nodesPerCallMax: number | undefined
  #port = 0
  #shift: number
  #server: Program | undefined
  #phase = 'the start'

  constructor(chance: SeededChance, folder: string) {
    this.#chance = chance
    this.#folder = folder
    this.#items = firstItems + chance.between(0, 100)
    this.#nodesPerCallMax = chance.isLikely(0.5) ? 100 : undefined
    this.#shift = chance.between(0, 2)
  }

  lose(what: string): void {
    if (this.#losses.length < lossesMax)
      this.#losses.push(`${what} (${this.#phase}; ${this.#items} items, ${this.#nodesPerCallMax ?? 'any number'} a call)`)
  }

  result(): RoundResult {
    return { losses: this.#losses, ...this.#counts }
  }

  async stop(): Promise<void> {
    this.#server?.kill('SIGKILL')
    await this.#server?.ended
  }

  async run(): Promise<void> {
    this.#port = await freePort()
    await this.#startServer()
    const device = await this.#startDevice()
    try {
      await this.#calm(device)
      for (let phase = 0; phase < phases && this.#losses.length === 0; phase += 1) {
        const trouble = this.#chance.pick(troubles)
        this.#phase = trouble
        this.#counts.faults += 1
        await this.#trouble(trouble, device)
        this.#phase = `after ${trouble}`
        await this.#calm(device)
      }
    } finally {
      // Also where the round itself fails: a device that is left alone tries to connect for ever, and keeps the process alive.
      const isLeft = await settlesPatiently(device[Symbol.asyncDispose](), { limitMs: leaveMs, stallMs })
      if (!isLeft) this.lose(`the device could not be left within ${leaveMs} ms`)
    }
    for (const what of device.openFor(0)) this.lose(`${what} was never answered`)
    if (device.calledLateMs > lateMsMax) this.lose(`called ${Math.round(device.calledLateMs)} ms later than its pause allows`)
    this.#counts.values = device.values
  }

  /** Ends when the server is well again. */
  async #trouble(trouble: Trouble, device: DeviceRound): Promise<void> {
    switch (trouble) {
      case 'kill':
        return await this.#restart(device, {})
      case 'killShifted':
        this.#shift = (this.#shift + 1) % 4
        return await this.#restart(device, {})
      case 'refuseCertificates':
        await this.#restart(device, { refusesCertificates: true })
        await sleep(2_000)
        return await this.#restart(device, {})
      case 'hang':
        this.#server?.kill('SIGSTOP')
        await sleep(noticedMs + this.#chance.between(0, 3_000))
        this.#isToldBad(device)
        this.#server?.kill('SIGCONT')
        return
      case 'hangBriefly':
        this.#server?.kill('SIGSTOP')
        await sleep(this.#chance.between(100, 2_500))
        this.#server?.kill('SIGCONT')
        return
      case 'dropSessions':
        this.#server?.tell('drop')
        return
      default:
        trouble satisfies never
    }
  }

  async #restart(device: DeviceRound, how: { readonly refusesCertificates?: boolean }): Promise<void> {
    await this.stop()
    await sleep(this.#chance.between(300, 2_000))
    this.#isToldBad(device)
    await this.#startServer(how)
  }

  #isToldBad(device: DeviceRound): void {
    const [path] = device.goodTags()
    if (path !== undefined) this.lose(`${path} is called good though its server is away`)
  }

  async #startServer({ refusesCertificates = false }: { readonly refusesCertificates?: boolean } = {}): Promise<void> {
    const folder = join(this.#folder, refusesCertificates ? 'refusing' : 'server')
    const limit = this.#nodesPerCallMax === undefined ? {} : { nodesPerCallMax: this.#nodesPerCallMax }
    const options = { port: this.#port, folder, items: this.#items, stepMs, shift: this.#shift, refusesCertificates, ...limit }
    const server = startProgram({
      args: [fileURLToPath(new URL('./opcua-server.ts', import.meta.url)), JSON.stringify(options)],
      hasInput: true,
    })
    this.#server = server
    let isReady = false
    server.onLine((line) => {
      if (line.startsWith('ready')) isReady = true
    })
    await until(() => isReady, { what: 'the OPC UA server', timeoutMs: startMs, program: server })
    await opcuaAnswers(this.#port, AbortSignal.timeout(startMs))
  }

  async #startDevice(): Promise<DeviceRound> {
    const tags = Array.from({ length: this.#items }, (_, item) => ({
      path: `v${item}`,
      file: { node: `nsu=urn:chaos:plant;s=V${item}` },
      isWritable: false,
    }))
    return new DeviceRound({
      driver: await loadDriver('opcua'),
      config: {
        connection: { url: `opc.tcp://127.0.0.1:${this.#port}/chaos`, security: 'Basic256Sha256/SignAndEncrypt', trust: 'any' },
        opcua: { publishing: '100ms', sampling: '100ms' },
      },
      scan: { normal: '1s' },
      tags,
      stateFolder: join(this.#folder, 'device'),
      epoch: () => 0,
      isTrue: (item, value) => this.#isTrue(item, value),
      written: () => {},
      lose: (what) => this.lose(what),
    })
  }

  /** The right node's, not of the future, and not older than what was told before. */
  #isTrue(item: number, value: unknown): boolean {
    if (typeof value !== 'number' || value < 0 || Math.floor(value / 1_000_000) !== item) return false
    const step = value % 1_000_000
    const now = Math.floor(Date.now() / stepMs) % 1_000_000
    const before = this.#lastStep.get(item) ?? 0
    this.#lastStep.set(item, step)
    const isFirst = step === 0 // of a server that has not taken its first step
    return isFirst || (step <= now && step >= before)
  }

  async #calm(device: DeviceRound): Promise<void> {
    const sinceMs = performance.now()
    const isBack = (): boolean => device.missingSince(sinceMs).length === 0 && device.device.status().state === 'online'
    // It is called when the pause is over that is due to it by what its server did before.
    const limitMs = (): number => device.leftAloneMs(sinceMs) + calledMs
    const tookMs = await patiently(isBack, { limitMs, stallMs })
    if (tookMs === undefined) {
      const missing = device.missingSince(sinceMs)
      const { state, lastFault } = device.device.status()
      const times = `${Math.round(limitMs())} ms, ${Math.round(device.leftAloneMs(sinceMs))} of them its pause`
      return this.lose(`not back after ${times}: ${missing.length} tags, ${missing[0]}, ${state}, ${lastFault?.message}`)
    }
    this.#counts.recoveryMs = Math.max(this.#counts.recoveryMs, tookMs)
    await sleep(this.#chance.between(200, 1_000))
  }
}
