import type { Server } from 'node:net'
import { type IServiceVector, ServerTCP } from 'modbus-serial'
import type { SimulatedDevice } from './device.ts'
import { type RegisterMap, Registers } from './devices/registers.ts'
import type { PlantFault } from './faults.ts'
import type { Line } from './plant/line.ts'
import { startRelay } from './relay.ts'

export interface ModbusDeviceOptions {
  readonly name: string
  readonly port: number
  readonly unit: number
  readonly map: RegisterMap
  readonly line: Line
}

const host = '127.0.0.1'

/** modbus-serial's server behind a relay: the library speaks Modbus, the relay misbehaves. */
export async function startModbusDevice(options: ModbusDeviceOptions): Promise<SimulatedDevice> {
  const registers = new Registers(options.map)
  registers.refresh(options.line)
  await using parts = new AsyncDisposableStack()
  const server = await startServer(vectorOf(registers, options.line), options.unit)
  parts.defer(server.stop)
  const relay = parts.use(await startRelay({ port: options.port, framing: 'modbus', serverPort: async () => server.port }))
  const started = parts.move()
  const clear = async (): Promise<void> => {
    relay.setFault(undefined)
    registers.thaw()
    await relay.open()
  }
  const fail = async (fault: PlantFault): Promise<void> => {
    if (fault.kind === 'namespace') throw new Error(`${options.name} speaks Modbus, which has no namespaces`)
    await clear()
    if (fault.kind === 'freeze' && !registers.freeze(fault.point)) throw new Error(`${options.name} has no point "${fault.point}"`)
    if (fault.kind === 'refuse') await relay.close()
    else if (fault.kind !== 'freeze') relay.setFault(fault)
  }
  return {
    name: options.name,
    port: relay.port,
    address: { protocol: 'modbus-tcp', host, port: relay.port, unit: options.unit },
    refresh: (line) => registers.refresh(line),
    fail,
    clear,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** What modbus-serial calls for each request. A ModbusRefusal that is thrown here becomes the exception in the answer. */
function vectorOf(registers: Registers, line: Line): IServiceVector {
  const one = (area: 'hr' | 'ir' | 'co' | 'di', address: number): number => registers.read(area, address, 1)[0] ?? 0
  return {
    getHoldingRegister: (address: number) => one('hr', address),
    getInputRegister: (address: number) => one('ir', address),
    getMultipleHoldingRegisters: (address: number, count: number) => registers.read('hr', address, count),
    getMultipleInputRegisters: (address: number, count: number) => registers.read('ir', address, count),
    getCoil: (address: number) => one('co', address) !== 0,
    getDiscreteInput: (address: number) => one('di', address) !== 0,
    setRegister: (address: number, value: number) => registers.write('hr', address, [value], line),
    setRegisterArray: (address: number, values: number[]) => registers.write('hr', address, values, line),
    setCoil: (address: number, value: boolean) => registers.write('co', address, [value ? 1 : 0], line),
  }
}

interface RunningServer {
  readonly port: number
  readonly stop: () => Promise<void>
}

function startServer(vector: IServiceVector, unitID: number): Promise<RunningServer> {
  return new Promise((resolve, reject) => {
    // The library takes port 0 for "none given" and would listen on 502; as text it reaches the system unchanged and means any free port.
    const port = '0' as unknown as number
    const server = new ServerTCP(vector, { host, port, unitID })
    server.on('serverError', (error: Error | null) => reject(error))
    server.on('socketError', () => {})
    server.on('initialized', () => {
      const { _server: listener } = server as unknown as { readonly _server: Server }
      const address = listener.address()
      if (typeof address !== 'object' || address === null) return reject(new Error('the Modbus server has no port'))
      resolve({ port: address.port, stop: () => new Promise((stopped) => server.close(() => stopped())) })
    })
  })
}
