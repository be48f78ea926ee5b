/**
 * An OPC UA server whose variables all change at a set pace. Shares no code with src. Arguments: items, period ms. Prints `ready PORT`.
 * On standard input: `start` begins to change them; `stop` ends it, waits until nothing is on its way any more and prints `made COUNT sent COUNT`: the changes
 * made since the start, and how many of them it has put into its reports. What is missing there, its own queues have dropped.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { DataChangeNotification, type PublishResponse } from 'node-opcua-client'
import { OPCUAServer } from 'node-opcua-server'
import { StatusCodes } from 'node-opcua-status-code'
import { DataType } from 'node-opcua-variant'
import { freePort } from '../line/free-port.ts'

const [items = 10_000, periodMs = 100] = process.argv.slice(2).map(Number)
const folder = mkdtempSync(join(tmpdir(), 'lineside-bench-opcua-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const certificates = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true })
const port = await freePort()
const server = new OPCUAServer({
  port,
  host: '127.0.0.1',
  hostname: '127.0.0.1',
  resourcePath: '/bench',
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverCapabilities: { minSupportedSampleRate: 10, maxMonitoredItems: items * 2, maxMonitoredItemsPerSubscription: items * 2 },
})
await server.initialize()
const namespace = server.engine.addressSpace?.registerNamespace('urn:bench:plant')
if (namespace === undefined) throw new Error('no address space')
const line = namespace.addFolder('ObjectsFolder', { browseName: 'Line', nodeId: 's=Line' })
const variables = Array.from({ length: items }, (_, place) => {
  const name = `V${place}`
  const variable = namespace.addVariable({
    componentOf: line,
    browseName: name,
    nodeId: `s=${name}`,
    dataType: 'Double',
    minimumSamplingInterval: 0,
  })
  variable.setValueFromSource({ dataType: DataType.Double, value: 0 }, StatusCodes.Good, new Date())
  return variable
})
await server.start()

const state = { made: 0, sent: 0, step: 0, dueMs: 0, timer: undefined as NodeJS.Timeout | undefined }
/** Longer than a few publishing intervals. */
const settleMs = 1_000

server.on('response', (response) => {
  const { notificationMessage } = response as Partial<PublishResponse>
  for (const notification of notificationMessage?.notificationData ?? [])
    if (notification instanceof DataChangeNotification) state.sent += notification.monitoredItems?.length ?? 0
})

function change(): void {
  state.step += 1
  const at = new Date()
  for (const [place, variable] of variables.entries()) {
    variable.setValueFromSource({ dataType: DataType.Double, value: state.step + place / items }, StatusCodes.Good, at)
  }
  state.made += items
  state.dueMs = Math.max(state.dueMs + periodMs, performance.now())
  state.timer = setTimeout(change, state.dueMs - performance.now())
}

createInterface({ input: process.stdin }).on('line', (text) => {
  if (text === 'start') {
    Object.assign(state, { made: 0, sent: 0 })
    state.dueMs = performance.now()
    change()
  } else if (text === 'stop') {
    clearTimeout(state.timer)
    setTimeout(() => process.stdout.write(`made ${state.made} sent ${state.sent}\n`), settleMs)
  }
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write(`ready ${port}\n`)
