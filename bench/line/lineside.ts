import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviceName, type Engine, type RunningEngine, tagName, type Work } from './engine.ts'
import { freePort } from './free-port.ts'
import { startProgram } from './process.ts'

export const repository = join(import.meta.dirname, '../..')
const sitePath = 'bench/line'

export const lineside: Engine = {
  name: 'Lineside',
  start: async (work) => {
    const mqttPort = await freePort()
    writeSite(work.folder, { mqttPort })
    work.devicePorts.forEach((port, index) => {
      writeDevice(work.folder, deviceName(index), modbusDevice(index, port, work))
    })
    return runSite(work.folder, mqttPort)
  },
}

export function runSite(folder: string, mqttPort: number, nodeArguments: readonly string[] = []): RunningEngine {
  const program = startProgram({ args: [...nodeArguments, join(repository, 'bin/lineside.js'), 'run', folder] })
  return { program, mqttPort, filter: `${sitePath}/#`, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

interface SitePorts {
  readonly mqttPort: number
  readonly opcuaPort?: number
}

// JSON is YAML: what is generated needs no more.
export function writeSite(folder: string, { mqttPort, opcuaPort }: SitePorts): void {
  const site = {
    site: sitePath,
    node: 'bench',
    mqtt: { port: mqttPort, anonymous: true },
    api: { port: 0 },
    storage: { path: './state' },
    ...(opcuaPort === undefined ? {} : { opcua: { port: opcuaPort } }),
  }
  writeFileSync(join(folder, 'lineside.yaml'), JSON.stringify(site, undefined, 2))
  mkdirSync(join(folder, 'devices'), { recursive: true })
}

export function writeDevice(folder: string, name: string, device: object): void {
  writeFileSync(join(folder, 'devices', `${name}.yaml`), JSON.stringify({ device: name, ...device }, undefined, 2))
}

export function modbusDevice(index: number, port: number, { tagsPerDevice, pollMs }: Pick<Work, 'tagsPerDevice' | 'pollMs'>): object {
  const tags = Array.from({ length: tagsPerDevice }, (_, register) => [
    tagName(register),
    { at: `hr:${register}`, type: 'u16', scan: 'fast' },
  ])
  return {
    description: `Load device ${index}`,
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port },
    scan: { fast: `${pollMs}ms` },
    tags: Object.fromEntries(tags),
  }
}
