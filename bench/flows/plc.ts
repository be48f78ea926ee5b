import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProgram } from '../line/process.ts'
import { temporaryFolder } from '../line/round.ts'
import { until } from '../line/until.ts'
import { buildProgram } from '../south/native.ts'

/** A write as it arrived at a PLC; times are those of CLOCK_MONOTONIC. */
export interface Arrival {
  readonly device: number
  readonly register: number
  readonly value: number
  readonly atMs: number
  /** When the pulse of this number was first told to a poll; absent where it is long ago. */
  readonly toldMs?: number
  /** When the last answer before it left. */
  readonly answeredMs: number
}

export interface Plc extends AsyncDisposable {
  readonly ports: readonly number[]
  /** What arrives in the meantime. */
  watch(during: () => Promise<unknown>): Promise<readonly Arrival[]>
}

const linger = 300

export async function startPlc({ devices, periodMs }: { readonly devices: number; readonly periodMs: number }): Promise<Plc> {
  using folder = temporaryFolder() // what runs needs its file no more
  const server = buildProgram(join(import.meta.dirname, 'plc-server.c'), folder.path, ['-lm'])
  const program = startProgram({ program: server, args: [String(periodMs), String(devices)], hasInput: true })
  const arrivals: Arrival[] = []
  let ports: readonly number[] | undefined
  program.onLine((line) => {
    if (line.startsWith('[')) ports = JSON.parse(line) as number[]
    else if (line.startsWith('{')) arrivals.push(JSON.parse(line) as Arrival)
  })
  await until(() => ports !== undefined, { what: 'the PLCs', timeoutMs: 10_000, program })
  return {
    ports: ports ?? [],
    watch: async (during) => {
      program.tell('say on')
      await during()
      program.tell('say off')
      await sleep(linger)
      return arrivals.splice(0)
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
