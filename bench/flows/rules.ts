import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../line/free-port.ts'
import { installPeers, peersFolder, writeSettings } from '../line/node-red.ts'
import { startProgram } from '../line/process.ts'
import { temporaryFolder } from '../line/round.ts'
import { type Measure, quantile } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { type Arrival, startPlc } from './plc.ts'
import { pulseDevice } from './reaction.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const devices = 10
const periodMs = 500
const pollMs = 100
const shareMax = 1 / 3
const settleMs = 3_000

/** The same rule in both: when a register is no longer 0, its value is written to another one. Ours has it on the disk before. */
export async function benchRules({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  installPeers(say)
  await using plc = await startPlc({ devices, periodMs })
  const windowMs = isSmoke ? 2_000 : 7_000
  const results = await roundsOf({ isSmoke, say, what: 'a rule, beside Node-RED' }, async () => {
    const ours = reactions(await ofLineside(plc, windowMs))
    const theirs = reactions(await ofNodeRed(plc, windowMs))
    const row = (what: string, share: number): Measure => ({
      name: `a rule: register told to write at the PLC ${what}`,
      value: quantile(ours, share),
      unit: 'ms',
      peer: 'Node-RED',
      peerValue: quantile(theirs, share),
    })
    const seconds = windowMs / 1_000
    return [
      row('p50', 0.5),
      row('p99', 0.99),
      { name: 'a rule: writes', value: ours.length / seconds, unit: '1/s', peer: 'Node-RED', peerValue: theirs.length / seconds },
    ]
  })
  const p99 = results[1]
  const share = p99?.value === undefined || !p99.peerValue ? undefined : p99.value / p99.peerValue
  return [
    ...results,
    { name: "a rule: p99, share of Node-RED's", value: share, unit: '×', limit: { atMost: Number(shareMax.toPrecision(3)) } },
  ]
}

type Watched = Pick<Awaited<ReturnType<typeof startPlc>>, 'ports' | 'watch'>

async function ofLineside(plc: Watched, windowMs: number): Promise<readonly Arrival[]> {
  const places = plc.ports.map((port, place) => ({ name: `d${place}`, port }))
  const rule = (name: string): object => ({
    on: [{ tag: `${name}/pulse`, when: 'value > 0' }],
    steps: [{ id: 'echo', write: { [`${name}/first`]: '${trigger.value}' }, undo: [] }],
  })
  await using _gateway = await startGateway(Object.fromEntries(places.map(({ name, port }) => [name, pulseDevice({ port, pollMs })])), {
    flows: Object.fromEntries(places.map(({ name }) => [`rule-${name}`, rule(name)])),
  })
  await sleep(settleMs)
  return await plc.watch(() => sleep(windowMs))
}

async function ofNodeRed(plc: Watched, windowMs: number): Promise<readonly Arrival[]> {
  using folder = temporaryFolder()
  mkdirSync(folder.path, { recursive: true })
  writeFileSync(join(folder.path, 'flows.json'), JSON.stringify(nodeRedFlows(plc.ports)))
  writeSettings(folder.path)
  await using _program = startProgram({
    args: [join(peersFolder, 'node_modules/node-red/red.js'), '--userDir', folder.path, '--port', String(await freePort()), 'flows.json'],
    cwd: peersFolder,
    env: { NODE_RED_ENABLE_PROJECTS: 'false' },
  })
  await sleep(settleMs + 3_000)
  return await plc.watch(() => sleep(windowMs))
}

function reactions(arrivals: readonly Arrival[]): readonly number[] {
  return arrivals.flatMap(({ register, atMs, toldMs }) => (register === 100 && toldMs !== undefined ? [atMs - toldMs] : []))
}

/** Only on the way from 0, as a flow begins. */
const whenItRises = `
const value = msg.payload[0]
const wasZero = context.get('wasZero')
context.set('wasZero', value === 0)
return value > 0 && wasZero ? { payload: value } : null
`

function nodeRedFlows(ports: readonly number[]): readonly object[] {
  const [x, y, z] = [100, 200, 'main']
  return [
    { id: 'main', type: 'tab', label: 'bench', disabled: false, info: '' },
    ...ports.flatMap((port, place) => [
      {
        id: `plc${place}`,
        type: 'modbus-client',
        name: `d${place}`,
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
      },
      {
        id: `read${place}`,
        type: 'modbus-read',
        ...{ x, y, z, name: '', topic: '', server: `plc${place}`, unitid: '', dataType: 'HoldingRegister', adr: '0', quantity: '1' },
        ...{ rate: String(pollMs), rateUnit: 'ms', delayOnStart: false, startDelayTime: '', enableDeformedMessages: false },
        ...{ showStatusActivities: false, logIOActivities: false, showErrors: false, showWarnings: false },
        ...{ useIOFile: false, ioFile: '', useIOForPayload: false, emptyMsgOnFail: false },
        wires: [[`rises${place}`], []],
      },
      {
        id: `rises${place}`,
        type: 'function',
        ...{ x, y, z, name: '', func: whenItRises, outputs: 1, timeout: 0, noerr: 0, initialize: '', finalize: '', libs: [] },
        wires: [[`write${place}`]],
      },
      {
        id: `write${place}`,
        type: 'modbus-write',
        ...{ x, y, z, name: '', server: `plc${place}`, unitid: '', dataType: 'HoldingRegister', adr: '100', quantity: '1' },
        ...{ showStatusActivities: false, showErrors: false, showWarnings: false, emptyMsgOnFail: false, keepMsgProperties: false },
        ...{ delayOnStart: false, enableDeformedMessages: false, startDelayTime: '' },
        wires: [[], []],
      },
    ]),
  ]
}
