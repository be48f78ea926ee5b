import type { SimulatedDevice } from './device.ts'
import { capperRegisters } from './devices/capper.ts'
import { fillerRegisters } from './devices/filler.ts'
import { infeedRegisters } from './devices/infeed.ts'
import { labellerNamespace, labellerNodes } from './devices/labeller.ts'
import { meterRegisters } from './devices/meter.ts'
import { palletiserRegisters } from './devices/palletiser.ts'
import type { FaultRequest } from './faults.ts'
import { startModbusDevice } from './modbus-device.ts'
import { startOpcuaDevice } from './opcua-device.ts'
import { createLine, type Line, stepLine } from './plant/line.ts'

/** The whole bottling line on its ports, moving in real time. */
export interface Plant extends AsyncDisposable {
  readonly line: Line
  readonly devices: ReadonlyMap<string, SimulatedDevice>
  /** Resolves when the fault has set in. It ends by itself where it has a duration. */
  fail(request: FaultRequest): Promise<void>
  clear(device: string): Promise<void>
}

export interface PlantOptions {
  /** `auto`: any free port for each; else the first port of the five Modbus devices, which take this and the next four. */
  readonly modbusPort: number | 'auto'
  readonly opcuaPort: number | 'auto'
  readonly seed: number
}

/** The ports of the example site. */
export const sitePorts = { modbusPort: 15_021, opcuaPort: 48_410 } as const

const tickMs = 50
/** After a pause (a suspended laptop) the line goes on from where it was. */
const stepSMax = 1

const modbusDevices = [
  { name: 'infeed-1', unit: 1, map: infeedRegisters },
  { name: 'filler-1', unit: 1, map: fillerRegisters },
  { name: 'capper-1', unit: 1, map: capperRegisters },
  { name: 'palletiser-1', unit: 1, map: palletiserRegisters },
  { name: 'meter-1', unit: 5, map: meterRegisters },
] as const

export async function startPlant({ modbusPort, opcuaPort, seed }: PlantOptions): Promise<Plant> {
  const line = createLine(seed)
  await using parts = new AsyncDisposableStack()
  const devices = new Map<string, SimulatedDevice>()
  for (const [place, device] of modbusDevices.entries()) {
    const port = modbusPort === 'auto' ? 0 : modbusPort + place
    devices.set(device.name, parts.use(await startModbusDevice({ ...device, port, line })))
  }
  const port = opcuaPort === 'auto' ? 0 : opcuaPort
  const labeller = { name: 'labeller-1', namespace: labellerNamespace, nodes: labellerNodes, port, line }
  devices.set(labeller.name, parts.use(await startOpcuaDevice(labeller)))
  parts.use(startTicking(line, devices))
  const faults = parts.use(createFaults(devices))
  const started = parts.move()
  return { line, devices, fail: faults.fail, clear: faults.clear, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

function startTicking(line: Line, devices: ReadonlyMap<string, SimulatedDevice>): Disposable {
  let lastMs = performance.now()
  const ticker = setInterval(() => {
    const nowMs = performance.now()
    stepLine(line, Math.min(stepSMax, (nowMs - lastMs) / 1_000))
    lastMs = nowMs
    for (const device of devices.values()) device.refresh(line)
  }, tickMs)
  return { [Symbol.dispose]: () => clearInterval(ticker) }
}

function createFaults(devices: ReadonlyMap<string, SimulatedDevice>): Pick<Plant, 'fail' | 'clear'> & Disposable {
  const ends = new Map<string, NodeJS.Timeout>()
  let last = Promise.resolve()
  // One after another: a restart must have ended before the next fault sets in.
  const inTurn = (name: string, act: (device: SimulatedDevice) => Promise<void>): Promise<void> => {
    const device = devices.get(name)
    if (device === undefined) return Promise.reject(new Error(`there is no device "${name}"; there are ${[...devices.keys()].join(', ')}`))
    clearTimeout(ends.get(name))
    const acted = last.then(() => act(device))
    last = acted.catch(() => {})
    return acted
  }
  const clear = (name: string): Promise<void> => inTurn(name, (device) => device.clear())
  const fail = async ({ device: name, fault, seconds }: FaultRequest): Promise<void> => {
    await inTurn(name, (device) => device.fail(fault))
    if (seconds === undefined) return
    const end = () => void clear(name).catch((error: Error) => console.error(`${name} could not be mended: ${error.message}`))
    ends.set(name, setTimeout(end, seconds * 1_000))
  }
  const dispose = (): void => {
    for (const end of ends.values()) clearTimeout(end)
  }
  return { fail, clear, [Symbol.dispose]: dispose }
}
