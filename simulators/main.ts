#!/usr/bin/env node
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { type FaultRequest, parseFaultLine, parseFaultText } from './faults.ts'
import { type Plant, type PlantOptions, sitePorts, startPlant } from './plant.ts'

const usage = `node simulators/main.ts [--ports auto] [--modbus-port N] [--opcua-port N] [--seed N] [--fail DEVICE:FAULT[=ARGUMENT][:SECONDS]] ...

A bottling line as five Modbus TCP devices and one OPC UA server on 127.0.0.1. Once all of them listen, one line of JSON says where.
Without options the ports are those of the example site: Modbus ${sitePorts.modbusPort} and the next four, OPC UA ${sitePorts.opcuaPort}.

Faults: silence · drop · late=MS · exception=CODE · freeze[=POINT] · refuse · garbage · namespace (OPC UA only)
Lines of JSON on standard input do the same while it runs, and each is answered by a line:
  {"fail":"filler-1","fault":"late","ms":800,"seconds":5}   {"clear":"filler-1"}
It ends with its standard input, on SIGTERM and on SIGINT.
`

/** Whatever still hangs then is left to the system. */
const stopMsMax = 800

interface Arguments {
  readonly plant: PlantOptions
  readonly faults: readonly FaultRequest[]
}

function parseArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      ports: { type: 'string' },
      'modbus-port': { type: 'string' },
      'opcua-port': { type: 'string' },
      seed: { type: 'string', default: '1' },
      fail: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  if (values.ports !== undefined && values.ports !== 'auto') throw new Error('--ports takes only the word auto')
  const otherwise = values.ports === 'auto' ? ({ modbusPort: 'auto', opcuaPort: 'auto' } as const) : sitePorts
  const plant = {
    modbusPort: values['modbus-port'] === undefined ? otherwise.modbusPort : portOf(values['modbus-port']),
    opcuaPort: values['opcua-port'] === undefined ? otherwise.opcuaPort : portOf(values['opcua-port']),
    seed: Number(values.seed),
  }
  return { plant, faults: values.fail.map(parseFaultText) }
}

function portOf(text: string): number | 'auto' {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_531) throw new Error(`"${text}" is no port`)
  return port === 0 ? 'auto' : port
}

function say(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function obey(plant: Plant, line: string): Promise<void> {
  try {
    const asked = parseFaultLine(line)
    await ('clear' in asked ? plant.clear(asked.clear) : plant.fail(asked))
    say({ done: line })
  } catch (error) {
    say({ failed: line, message: error instanceof Error ? error.message : String(error) })
  }
}

async function stop(plant: Plant): Promise<never> {
  setTimeout(() => process.exit(0), stopMsMax)
  await plant[Symbol.asyncDispose]()
  process.exit(0)
}

async function main(): Promise<void> {
  globalThis.console = new console.Console(process.stderr) // libraries chat; standard output is for our lines alone
  const { plant: options, faults } = parseArguments()
  const plant = await startPlant(options)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(plant))
  process.stdout.on('error', () => stop(plant)) // whoever started us is gone
  for (const fault of faults) await plant.fail(fault)
  say({ ready: true, devices: Object.fromEntries([...plant.devices].map(([name, device]) => [name, device.address])) })
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => line.trim() !== '' && obey(plant, line))
  lines.on('close', () => stop(plant))
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(2)
})
