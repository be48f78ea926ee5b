import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviceName, type Engine, type Work } from './engine.ts'
import { freePort } from './free-port.ts'
import { startProgram } from './process.ts'

/** Where `installPeers` puts them. */
export const peersFolder = join(import.meta.dirname, '../peers')

/** Node-RED with node-red-contrib-modbus and node-red-contrib-aedes, configured as its own editor would. */
export const nodeRed: Engine = {
  name: 'Node-RED',
  start: async (work) => {
    const mqttPort = await freePort()
    mkdirSync(work.folder, { recursive: true })
    writeFileSync(join(work.folder, 'flows.json'), JSON.stringify(lineFlows(work, mqttPort)))
    writeSettings(work.folder)
    const program = startProgram({
      args: [join(peersFolder, 'node_modules/node-red/red.js'), '--userDir', work.folder, '--port', String(await freePort()), 'flows.json'],
      cwd: peersFolder,
      env: { NODE_RED_ENABLE_PROJECTS: 'false' },
    })
    return { program, mqttPort, filter: 'bench/line/#', [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
  },
}

/** Puts the peers into bench/peers, as its lock file says; once. */
export function installPeers(say: (text: string) => void): void {
  const done = join(peersFolder, 'node_modules/.package-lock.json')
  if (existsSync(done) && statSync(done).mtimeMs >= statSync(join(peersFolder, 'package-lock.json')).mtimeMs) return
  say('Installing Node-RED into bench/peers …')
  execFileSync('npm', ['ci', '--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd: peersFolder,
    stdio: ['ignore', 2, 2],
  })
}

export function writeSettings(folder: string): void {
  writeFileSync(join(folder, 'settings.js'), settings)
}

const settings = `module.exports = {
  flowFile: 'flows.json', credentialSecret: false, httpAdminRoot: false, httpNodeRoot: false, uiHost: '127.0.0.1',
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: 'warn', metrics: false, audit: false } },
}
`

/** Only what changed, each on its own topic, in the payload that Lineside sends. */
const publishChanges = `
const last = context.get('last') || []
const now = new Date().toISOString()
const out = []
for (let i = 0; i < msg.payload.length; i++) {
  if (msg.payload[i] === last[i]) continue
  const topic = env.get('BENCH_TOPIC') + '/t' + String(i).padStart(3, '0')
  out.push({ topic, payload: JSON.stringify({ value: msg.payload[i], quality: 'good', time: now }), qos: 0, retain: true })
}
context.set('last', msg.payload)
return [out]
`

/** Polls and publishes as the editor would have it. */
export function lineFlows({ devicePorts, tagsPerDevice, pollMs }: Omit<Work, 'folder'>, mqttPort: number): readonly object[] {
  return [
    {
      id: 'broker',
      type: 'aedes broker',
      z: 'main',
      name: '',
      mqtt_port: mqttPort,
      mqtt_ws_bind: 'port',
      mqtt_ws_port: '',
      mqtt_ws_path: '',
      cert: '',
      key: '',
      certname: '',
      keyname: '',
      dburl: '',
      usetls: false,
      x: 100,
      y: 100,
      wires: [[], []],
    },
    {
      id: 'client',
      type: 'mqtt-broker',
      name: '',
      broker: '127.0.0.1',
      port: mqttPort,
      clientid: '',
      autoConnect: true,
      usetls: false,
      protocolVersion: '4',
      keepalive: 60,
      cleansession: true,
      birthTopic: '',
      closeTopic: '',
      willTopic: '',
    },
    { id: 'out', type: 'mqtt out', z: 'main', name: '', topic: '', qos: '', retain: '', broker: 'client', x: 300, y: 100, wires: [] },
    { id: 'main', type: 'tab', label: 'bench', disabled: false, info: '' },
    ...devicePorts.flatMap((port, index) => deviceFlow({ port, index, tagsPerDevice, pollMs })),
  ]
}

interface DeviceFlow {
  readonly port: number
  readonly index: number
  readonly tagsPerDevice: number
  readonly pollMs: number
}

function deviceFlow({ port, index, tagsPerDevice, pollMs }: DeviceFlow): readonly object[] {
  const name = deviceName(index)
  const func = publishChanges.replace("env.get('BENCH_TOPIC')", `'bench/line/${name}'`)
  return [
    plcNode({ id: `plc-${name}`, name, port }),
    {
      id: `read-${name}`,
      type: 'modbus-read',
      z: 'main',
      name: '',
      topic: '',
      showStatusActivities: false,
      logIOActivities: false,
      showErrors: false,
      showWarnings: false,
      unitid: '',
      dataType: 'HoldingRegister',
      adr: '0',
      quantity: String(tagsPerDevice),
      rate: String(pollMs),
      rateUnit: 'ms',
      delayOnStart: false,
      enableDeformedMessages: false,
      startDelayTime: '',
      server: `plc-${name}`,
      useIOFile: false,
      ioFile: '',
      useIOForPayload: false,
      emptyMsgOnFail: false,
      x: 100,
      y: 200,
      wires: [[`changed-${name}`], []],
    },
    {
      id: `changed-${name}`,
      type: 'function',
      z: 'main',
      name: '',
      func,
      outputs: 1,
      timeout: 0,
      noerr: 0,
      initialize: '',
      finalize: '',
      libs: [],
      x: 300,
      y: 200,
      wires: [['out']],
    },
  ]
}

/** A PLC, as node-red-contrib-modbus is told of it. */
export function plcNode({ id, name, port }: { readonly id: string; readonly name: string; readonly port: number }): object {
  return {
    id,
    type: 'modbus-client',
    name,
    clienttype: 'tcp',
    bufferCommands: true,
    stateLogEnabled: false,
    queueLogEnabled: false,
    failureLogEnabled: false,
    tcpHost: '127.0.0.1',
    tcpPort: String(port),
    tcpType: 'DEFAULT',
    unit_id: '1',
    commandDelay: '1',
    clientTimeout: '1000',
    reconnectOnTimeout: true,
    reconnectTimeout: '2000',
    parallelUnitIdsAllowed: true,
    showErrors: false,
    showWarnings: false,
    showLogs: false,
  }
}
