import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { freePort } from './free-port.ts'
import { repository, writeDevice } from './lineside.ts'
import { type Program, startProgram } from './process.ts'
import { until } from './until.ts'

const plantReadyMs = 30_000

export interface PlantPorts {
  readonly modbusPort: number
  readonly opcuaPort: number
}

/** Free ports for a plant that is to come back on the same ones: five Modbus ports in a row and one for OPC UA. */
export async function plantPorts(): Promise<PlantPorts> {
  return { modbusPort: 20_000 + ((await freePort()) % 10_000), opcuaPort: await freePort() }
}

/** The simulated bottling line, as a process of its own. */
export async function startPlant({ modbusPort, opcuaPort }: PlantPorts): Promise<Program> {
  const program = startProgram({
    args: [join(repository, 'simulators/main.ts'), '--modbus-port', String(modbusPort), '--opcua-port', String(opcuaPort)],
    hasInput: true,
  })
  let isReady = false
  program.onLine((line) => {
    if (line.includes('"ready"')) isReady = true
  })
  await until(() => isReady, { what: 'the plant', timeoutMs: plantReadyMs, program })
  return program
}

interface DeviceFile {
  readonly device: string
  readonly driver: string
  readonly connection: { readonly port?: number; readonly url?: string }
}

/** The devices of the example site, on this plant's ports; the name of the one that speaks OPC UA. */
export function writePlantDevices(folder: string, { modbusPort, opcuaPort }: PlantPorts): string {
  const files = readdirSync(join(repository, 'devices')).filter((file) => file.endsWith('.yaml'))
  const devices = files.map((file) => parse(readFileSync(join(repository, 'devices', file), 'utf8')) as DeviceFile)
  const firstPort = Math.min(...devices.flatMap(({ connection }) => connection.port ?? []))
  for (const { device, ...rest } of devices) {
    const { port, url } = rest.connection
    const connection = {
      ...rest.connection,
      ...(port === undefined ? {} : { port: modbusPort + port - firstPort }),
      ...(url === undefined ? {} : { url: url.replace(/:\d+/, `:${opcuaPort}`) }),
    }
    writeDevice(folder, device, { ...rest, connection })
  }
  const opcua = devices.find(({ driver }) => driver === 'opcua')
  if (opcua === undefined) throw new Error('the example site has no OPC UA device')
  return opcua.device
}
