import { exception, type FaultServer, frameFor, type RawRequest, startFaultServer } from './modbus-fault-server.ts'

/** A small, truthful Modbus device whose limits a test chooses. All units share one memory. */
export interface DeviceOptions {
  /** Registers and coils that do not exist. */
  readonly holes?: readonly number[]
  /** Exception for what does not exist; 2 by the standard. */
  readonly holeCode?: number
  /** Registers in one read. */
  readonly registersMax?: number
  /** Functions that it lacks. */
  readonly lacks?: readonly number[]
}

export interface ModbusDevice extends FaultServer {
  readonly registers: Uint16Array
  readonly coils: Uint8Array
  /** Asked before each answer; a code is an exception, `silence` no answer at all. */
  intercept: (request: RawRequest) => number | 'silence' | undefined
  /** Function codes since the last call. */
  takeFunctions(): readonly number[]
}

export async function startModbusDevice(options: DeviceOptions = {}): Promise<ModbusDevice> {
  const registers = new Uint16Array(65_536)
  const coils = new Uint8Array(65_536)
  let seen = 0
  const server = await startFaultServer((request) => {
    const said = device.intercept(request)
    if (said === 'silence') return
    const pdu = said === undefined ? answer(request, { registers, coils, options }) : exception(request, said)
    request.socket.write(frameFor(request, pdu))
  })
  const device: ModbusDevice = Object.assign(Object.create(server) as FaultServer, {
    registers,
    coils,
    intercept: () => undefined,
    takeFunctions: () => {
      const fresh = server.requests.slice(seen).map(({ pdu }) => pdu[0] ?? 0)
      seen = server.requests.length
      return fresh
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
  return device
}

interface Memory {
  readonly registers: Uint16Array
  readonly coils: Uint8Array
  readonly options: DeviceOptions
}

function answer(request: RawRequest, memory: Memory): Buffer {
  const { pdu } = request
  const { options } = memory
  const code = pdu.readUInt8(0)
  if (options.lacks?.includes(code)) return exception(request, 1)
  const start = pdu.readUInt16BE(1)
  const count = [5, 6, 22].includes(code) ? 1 : pdu.readUInt16BE(3)
  const isHole = options.holes?.some((hole) => hole >= start && hole < start + count) ?? false
  if (isHole) return exception(request, options.holeCode ?? 2)
  if (code === 3 && count > (options.registersMax ?? 125)) return exception(request, 3)
  if (code <= 4) return read(code, { start, count, memory })
  write(pdu, memory)
  return code === 22 ? Buffer.from(pdu) : Buffer.from(pdu.subarray(0, 5))
}

function read(code: number, { start, count, memory }: { readonly start: number; readonly count: number; readonly memory: Memory }): Buffer {
  const isBits = code < 3
  const data = Buffer.alloc(isBits ? Math.ceil(count / 8) : 2 * count)
  for (let place = 0; place < count; place += 1) {
    if (!isBits) data.writeUInt16BE(memory.registers[start + place] ?? 0, 2 * place)
    else if (memory.coils[start + place] === 1) data[place >> 3] = (data[place >> 3] ?? 0) | (1 << (place & 7))
  }
  return Buffer.concat([Buffer.of(code, data.length), data])
}

function write(pdu: Buffer, { registers, coils }: Memory): void {
  const start = pdu.readUInt16BE(1)
  const word = pdu.readUInt16BE(3)
  switch (pdu.readUInt8(0)) {
    case 5:
      coils[start] = word === 0xff00 ? 1 : 0
      break
    case 6:
      registers[start] = word
      break
    case 15:
      for (let place = 0; place < word; place += 1) coils[start + place] = (pdu.readUInt8(6 + (place >> 3)) >> (place & 7)) & 1
      break
    case 16:
      for (let place = 0; place < word; place += 1) registers[start + place] = pdu.readUInt16BE(6 + 2 * place)
      break
    case 22:
      registers[start] = ((registers[start] ?? 0) & word) | (pdu.readUInt16BE(5) & ~word)
      break
    default:
      throw new Error(`the test's device has no function ${pdu[0]}`)
  }
}
