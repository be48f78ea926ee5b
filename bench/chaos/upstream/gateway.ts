import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../line/free-port.ts'
import { type Program, startProgram } from '../../line/process.ts'
import { until } from '../../line/until.ts'
import type { Machine } from './machine.ts'

export const upstream = 'plant'
const tags = 30
const main = join(import.meta.dirname, '../../../bin/lineside.js')
const crash = fileURLToPath(new URL('./crash-thread-process.ts', import.meta.url))
const answerMs = 2_000

export interface ChaosGatewayOptions {
  readonly machine: Machine
  readonly folder: string
  /** The Modbus server of bench/south, built. */
  readonly plant: string
  readonly farPort: number
}

/** The daemon on its own machine, with a small plant that changes all the time. */
export class ChaosGateway implements AsyncDisposable {
  readonly #options: ChaosGatewayOptions
  readonly #site: string
  readonly #plant: Program
  readonly #inspectorPort: number
  #daemon: Program | undefined
  #isKilled = false
  #wasReady = false

  private constructor(
    options: ChaosGatewayOptions,
    site: string,
    { plant, inspectorPort }: { readonly plant: Program; readonly inspectorPort: number },
  ) {
    this.#options = options
    this.#site = site
    this.#plant = plant
    this.#inspectorPort = inspectorPort
  }

  static async start(options: ChaosGatewayOptions): Promise<ChaosGateway> {
    const { machine, folder } = options
    const plant = startProgram({ ...machine.inside({ program: options.plant, args: ['1', '100', '-1', '-1'] }), hasInput: true })
    let port = 0
    plant.onLine((line) => {
      if (line.startsWith('[')) [port = 0] = JSON.parse(line) as number[]
    })
    await until(() => port !== 0, { what: 'the plant', timeoutMs: 10_000, program: plant })
    const site = join(folder, 'site')
    const ports = { mqtt: await freePort(), api: await freePort(), inspector: await freePort() }
    writeSite(site, { options, ports, plantPort: port })
    const gateway = new ChaosGateway(options, site, { plant, inspectorPort: ports.inspector })
    gateway.start()
    return gateway
  }

  /** Why the daemon has ended, where nobody killed it. A start that a crash has spoilt is begun again, as systemd does it. */
  get hasDied(): string | undefined {
    if (this.#daemon?.hasEnded !== true || this.#isKilled) return undefined
    if (this.#wasReady) return this.#daemon.said
    this.start()
    return undefined
  }

  get said(): string {
    return this.#daemon?.said ?? ''
  }

  start(): void {
    const args = [`--inspect-port=127.0.0.1:${this.#inspectorPort}`, main, 'run', this.#site]
    this.#isKilled = false
    this.#wasReady = false
    this.#daemon = startProgram(this.#options.machine.inside({ program: process.execPath, args }))
  }

  async kill(): Promise<void> {
    this.#isKilled = true
    this.#daemon?.kill('SIGKILL')
    await this.#daemon?.ended
  }

  /** True when it was told; a daemon that has just been killed cannot be. */
  async crashThread(name: string): Promise<boolean> {
    this.#daemon?.kill('SIGUSR1')
    const args = [crash, String(this.#inspectorPort), name]
    await using program = startProgram(this.#options.machine.inside({ program: process.execPath, args }))
    await program.ended
    return program.exitCode === 0
  }

  stopPlant(): void {
    this.#plant.kill('SIGKILL')
  }

  async isReady(): Promise<boolean> {
    const isReady = (await this.#ask('/health/ready')) !== undefined
    this.#wasReady ||= isReady
    return isReady
  }

  /** The sum of a metric's rows whose labels hold this text; undefined where nobody answers. */
  async metric(name: string, label = ''): Promise<number | undefined> {
    const text = await this.#ask('/metrics')
    const rows = text?.split('\n').filter((row) => (row.startsWith(`${name}{`) || row.startsWith(`${name} `)) && row.includes(label))
    return rows?.reduce((sum, row) => sum + Number(row.split(' ').at(-1)), 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await this.#plant[Symbol.asyncDispose]()
  }

  /** By its private socket, which no network is between. */
  #ask(path: string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const socketPath = join(this.#options.machine.diskFolder, 'state', 'lineside.sock')
    const asking = request({ socketPath, path, timeout: answerMs }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => resolve(answer.statusCode === 200 ? Buffer.concat(parts).toString() : undefined))
      answer.on('error', () => resolve(undefined))
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(undefined))
    asking.on('close', () => resolve(undefined))
    asking.end()
    return promise
  }
}

interface SiteParts {
  readonly options: ChaosGatewayOptions
  readonly ports: { readonly mqtt: number; readonly api: number }
  readonly plantPort: number
}

function writeSite(site: string, { options: { machine, farPort }, ports, plantPort }: SiteParts): void {
  mkdirSync(join(site, 'devices'), { recursive: true })
  const above = {
    url: `mqtt://${machine.host}:${farPort}`,
    version: 5,
    keepalive: '2s',
    canary: '2s',
    streams: { state: ['chaos/line/press/t0', 'chaos/line/press/t1'] },
  }
  const gateway = {
    site: 'chaos/line',
    node: 'chaos',
    mqtt: { port: ports.mqtt },
    api: { port: ports.api },
    storage: { path: join(machine.diskFolder, 'state') },
    upstreams: { [upstream]: above },
  }
  const device = {
    device: 'press',
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port: plantPort },
    scan: { fast: '100ms' },
    tags: Object.fromEntries(Array.from({ length: tags }, (_, place) => [`t${place}`, { at: `hr:${place}`, type: 'u16', scan: 'fast' }])),
  }
  writeFileSync(join(site, 'lineside.yaml'), JSON.stringify(gateway))
  writeFileSync(join(site, 'devices', 'press.yaml'), JSON.stringify(device))
}
