import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deviceName } from '../line/engine.ts'
import { freePort } from '../line/free-port.ts'
import { modbusDevice } from '../line/lineside.ts'
import { startLoad } from '../line/load.ts'
import { installPeers, lineFlows, peersFolder, plcNode, writeSettings } from '../line/node-red.ts'
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
/** Beside the rule both do what the line bench has them do: they poll 5,000 tags, of which each changes once a second, and publish the changes. */
const load = { devices: 50, tagsPerDevice: 100, pollMs }
const shareMax = 1 / 3
/** After the first write; the window `just started` begins then, the other one once both have run for a while: engines compile what is busy. */
const settleMs = 2_000
const restMs = 8_000
/** 20 writes a second: below some hundred of them, a p99 would be the slowest one. */
const windows = { startMs: 4_000, warmMs: 20_000 }
const looksMax = 40

/** The same rule in both: when a register is no longer 0, its value is written to another one. Ours has it on the disk before, and reads the value back. */
export async function benchRules({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  installPeers(say)
  await using plc = await startPlc({ devices, periodMs })
  await using loaded = await startLoad({ devices: load.devices })
  const results = await roundsOf({ isSmoke, say, what: 'a rule, beside Node-RED' }, async () => {
    const ours = await ofLineside(plc, loaded.ports, isSmoke)
    const theirs = await ofNodeRed(plc, loaded.ports, isSmoke)
    return [...rows(ours.warm, theirs.warm), ...rows(ours.start, theirs.start, ', just started')]
  })
  const p99 = results[1]
  const share = p99?.value === undefined || !p99.peerValue ? undefined : p99.value / p99.peerValue
  return [
    ...results,
    { name: "a rule: p99, share of Node-RED's", value: share, unit: '×', limit: { atMost: Number(shareMax.toPrecision(3)) } },
  ]
}

/** What was reached in each window. */
interface Windows {
  readonly start: Reached
  readonly warm: Reached
}

interface Reached {
  readonly reactionsMs: readonly number[]
  readonly perSecond: number
}

function rows(ours: Reached, theirs: Reached, when = ''): readonly Measure[] {
  const row = (what: string, share: number): Measure => ({
    name: `a rule: register told to write at the PLC ${what}${when}`,
    value: quantile(ours.reactionsMs, share),
    unit: 'ms',
    peer: 'Node-RED',
    peerValue: quantile(theirs.reactionsMs, share),
  })
  return [
    row('p50', 0.5),
    row('p99', 0.99),
    { name: `a rule: writes${when}`, value: ours.perSecond, unit: '1/s', peer: 'Node-RED', peerValue: theirs.perSecond },
  ]
}

type Watched = Pick<Awaited<ReturnType<typeof startPlc>>, 'ports' | 'watch'>

async function ofLineside(plc: Watched, loadPorts: readonly number[], isSmoke: boolean): Promise<Windows> {
  const places = plc.ports.map((port, place) => ({ name: `p${place}`, port }))
  const rule = (name: string): object => ({
    on: [{ tag: `${name}/pulse`, when: 'value > 0' }],
    steps: [{ id: 'echo', write: { [`${name}/first`]: '${trigger.value}' }, undo: [] }],
  })
  const rules = Object.fromEntries(places.map(({ name, port }) => [name, pulseDevice({ port, pollMs })]))
  const polled = Object.fromEntries(loadPorts.map((port, index) => [deviceName(index), modbusDevice(index, port, load)]))
  await using _gateway = await startGateway(
    { ...rules, ...polled },
    { flows: Object.fromEntries(places.map(({ name }) => [`rule-${name}`, rule(name)])) },
  )
  return await watched(plc, isSmoke)
}

async function ofNodeRed(plc: Watched, loadPorts: readonly number[], isSmoke: boolean): Promise<Windows> {
  using folder = temporaryFolder()
  mkdirSync(folder.path, { recursive: true })
  const polling = lineFlows({ devicePorts: loadPorts, ...load }, await freePort())
  writeFileSync(join(folder.path, 'flows.json'), JSON.stringify([...polling, ...ruleFlows(plc.ports)]))
  writeSettings(folder.path)
  await using _program = startProgram({
    args: [join(peersFolder, 'node_modules/node-red/red.js'), '--userDir', folder.path, '--port', String(await freePort()), 'flows.json'],
    cwd: peersFolder,
    env: { NODE_RED_ENABLE_PROJECTS: 'false' },
  })
  return await watched(plc, isSmoke)
}

async function watched(plc: Watched, isSmoke: boolean): Promise<Windows> {
  for (let look = 0; look < looksMax; look += 1) {
    if ((await plc.watch(() => sleep(500))).length > 0) break
  }
  const reached = async (windowMs: number): Promise<Reached> => {
    const ms = isSmoke ? 2_000 : windowMs
    const reactionsMs = reactions(await plc.watch(() => sleep(ms)))
    return { reactionsMs, perSecond: reactionsMs.length / (ms / 1_000) }
  }
  await sleep(settleMs)
  const start = await reached(windows.startMs)
  await sleep(isSmoke ? 0 : restMs)
  return { start, warm: await reached(windows.warmMs) }
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

function ruleFlows(ports: readonly number[]): readonly object[] {
  const [x, y, z] = [100, 200, 'main']
  return ports.flatMap((port, place) => [
    plcNode({ id: `plc${place}`, name: `p${place}`, port }),
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
  ])
}
