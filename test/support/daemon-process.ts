import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { freePort, type Program, startProgram } from '../north/support/program.ts'

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

export interface SiteFiles {
  /** What `lineside.yaml` says beside ports and storage. */
  readonly extra?: string
  /** Device files by name. */
  readonly devices: Readonly<Record<string, string>>
  readonly flows?: Readonly<Record<string, string>>
  readonly hasOpcua?: boolean
  /** Where its state is kept; default: a folder beside the site. */
  readonly state?: string
}

/** The daemon as a process of its own, on a site of its own in a temporary folder; it can be killed and started again on the same state. */
export class DaemonProcess implements AsyncDisposable {
  readonly folder: string
  readonly mqttPort: number
  readonly opcuaPort: number
  readonly url: string
  #program: Program | undefined

  private constructor(folder: string, ports: { readonly mqtt: number; readonly api: number; readonly opcua: number }) {
    this.folder = folder
    this.mqttPort = ports.mqtt
    this.opcuaPort = ports.opcua
    this.url = `http://127.0.0.1:${ports.api}`
  }

  static async start(files: SiteFiles): Promise<DaemonProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'lineside-system-'))
    const ports = { mqtt: await freePort(), api: await freePort(), opcua: await freePort() }
    await writeSite(folder, ports, files)
    const daemon = new DaemonProcess(folder, ports)
    await daemon.start()
    return daemon
  }

  /** Resolves when the daemon says that it is ready. */
  async start(): Promise<void> {
    const program = startProgram(process.execPath, [main, 'run', join(this.folder, 'site')])
    this.#program = program
    const ended = program.exit.then((code) => {
      throw new Error(`the daemon ended with ${code}: ${program.lines.join('\n')}`)
    })
    const ready = vi.waitFor(
      async () => {
        const answer = await fetch(`${this.url}/health/ready`)
        if (answer.status !== 200) throw new Error(`not ready: ${program.lines.join('\n')}`)
      },
      { timeout: 60_000, interval: 50 },
    )
    ready.catch(() => {}) // told by the race, unless the daemon has ended before
    ended.catch(() => {}) // every daemon ends some time
    await Promise.race([ready, ended])
  }

  get lines(): readonly string[] {
    return this.#program?.lines ?? []
  }

  /** The exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#program?.kill(signal)
    return (await this.#program?.exit) ?? null
  }

  async tag(name: string): Promise<{ readonly value: unknown; readonly quality: string }> {
    const answer = await fetch(`${this.url}/api/v1/tags?filter=${encodeURIComponent(name)}`)
    const { items } = (await answer.json()) as { readonly items: readonly { readonly value: unknown; readonly quality: string }[] }
    const [item] = items
    if (item === undefined) throw new Error(`there is no tag ${name}`)
    return item
  }

  /** One number of /metrics, the first of that name whose labels hold `label`. */
  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text()
    const line = text.split('\n').find((row) => row.startsWith(name) && row.includes(label) && !row.startsWith('#'))
    if (line === undefined) throw new Error(`there is no metric ${name} ${label}`)
    return Number(line.split(' ').at(-1))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function writeSite(
  folder: string,
  ports: { readonly mqtt: number; readonly api: number; readonly opcua: number },
  files: SiteFiles,
): Promise<void> {
  const site = join(folder, 'site')
  for (const part of ['devices', 'flows']) await mkdir(join(site, part), { recursive: true })
  const opcua = files.hasOpcua === true ? `opcua: { port: ${ports.opcua}, security: [None], anonymous: { role: operator } }\n` : ''
  const gateway = `site: acme/test/line-1
node: edge-test
mqtt: { port: ${ports.mqtt}, anonymous: { role: operator } }
api: { port: ${ports.api} }
storage: { path: ${files.state ?? join(folder, 'state')} }
${opcua}${files.extra ?? ''}`
  await writeFile(join(site, 'lineside.yaml'), gateway)
  for (const [name, text] of Object.entries(files.devices)) await writeFile(join(site, 'devices', `${name}.yaml`), text)
  for (const [name, text] of Object.entries(files.flows ?? {})) await writeFile(join(site, 'flows', `${name}.yaml`), text)
}

/** A device file of one Modbus PLC: `count` counts, `setpoint` can be written. */
export function plcFile(device: string, port: number): string {
  return `device: ${device}
driver: modbus-tcp
connection: { host: 127.0.0.1, port: ${port}, unit: 1, timeout: 300ms }
scan: { normal: 50ms }
tags:
  count: { at: hr:0, type: u16 }
  level: { at: hr:1, type: i16, scale: { raw: [0, 1000], to: [0, 100] }, unit: "%" }
  setpoint: { at: hr:10, type: f32, write: { min: 0, max: 100, tolerance: 0.1 } }
  gate: { at: co:0, type: bool, write: {} }
`
}
