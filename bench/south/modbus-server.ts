import { type Program, startProgram } from '../line/process.ts'
import { until } from '../line/until.ts'

export interface ModbusServerOptions {
  /** As `buildNative` made it. */
  readonly binary: string
  readonly devices: number
  /** All registers below 1000 change this often. */
  readonly changeMs: number
  readonly deadUnit?: number
  /** Each request to it is told to `onAsked`, ms of CLOCK_MONOTONIC. */
  readonly watchedUnit?: number
  readonly onAsked?: (atMs: number) => void
}

export interface ModbusServer extends AsyncDisposable {
  readonly ports: readonly number[]
  readonly program: Program
}

/** The fast server of the bench, in a process of its own. */
export async function startModbusServer(options: ModbusServerOptions): Promise<ModbusServer> {
  const { binary, devices, changeMs, deadUnit = -1, watchedUnit = -1 } = options
  const program = startProgram({ program: binary, args: [devices, changeMs, deadUnit, watchedUnit].map(String), hasInput: true })
  let ports: readonly number[] | undefined
  program.onLine((line) => {
    if (line.startsWith('[')) ports = JSON.parse(line) as number[]
    if (line.startsWith('w ')) options.onAsked?.(Number(line.slice(2)))
  })
  await until(() => ports !== undefined, { what: 'the Modbus server of the bench', timeoutMs: 10_000, program })
  return { ports: ports ?? [], program, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}
