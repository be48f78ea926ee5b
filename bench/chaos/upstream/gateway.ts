import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../line/free-port.ts'
import { type Program, startProgram } from '../../line/process.ts'
import { until } from '../../line/until.ts'
import { ChaosDaemon } from '../daemon.ts'
import type { Machine } from './machine.ts'

export const upstream = 'plant'
const tags = 30

export interface ChaosGatewayOptions {
  readonly machine: Machine
  readonly folder: string
  /** The Modbus server of bench/south, built. */
  readonly plant: string
  readonly farPort: number
}

/** The daemon on its own machine, with a small plant that changes all the time. */
export class ChaosGateway extends ChaosDaemon {
  readonly #plant: Program

  private constructor(plant: Program, options: ConstructorParameters<typeof ChaosDaemon>[0]) {
    super(options)
    this.#plant = plant
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
    const ports = { mqtt: await freePort(), api: await freePort() }
    writeSite(site, { options, ports, plantPort: port })
    const stateFolder = join(machine.diskFolder, 'state')
    const gateway = new ChaosGateway(plant, { site, stateFolder, inspectorPort: await freePort(), command: machine.inside })
    gateway.start()
    return gateway
  }

  stopPlant(): void {
    this.#plant.kill('SIGKILL')
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.#plant[Symbol.asyncDispose]()
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
