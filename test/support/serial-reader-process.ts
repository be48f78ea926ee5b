import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../src/base/clock.ts'
import { modbusRtu } from '../../src/south/modbus/config.ts'
import { LineCounts } from '../../src/south/modbus/line-counts.ts'
import { openLine } from '../../src/south/modbus/open-line.ts'
import { askRead } from '../../src/south/modbus/pdu.ts'
import { UnitBreaker } from '../../src/south/modbus/unit-breaker.ts'

/** Reads one register of a serial line from a worker thread, as the daemon does, and tells its value. */
const config = modbusRtu.config.parse({ connection: { port: workerData.path, baud: 115_200, parity: 'none', timeout: '30s' } })
const record = { units: new UnitBreaker({ clock: systemClock }), counts: new LineCounts(systemClock) }
// Opening loads native code first: a few seconds where the machine is busy.
const line = await openLine(config, record, { clock: systemClock, signal: AbortSignal.timeout(30_000) })
const answer = await line.ask(askRead({ unit: 1, area: 'hr', start: 4711, count: 1 }), { urgency: 'read' })
await line[Symbol.asyncDispose]()
parentPort?.postMessage(answer.kind === 'data' ? answer.data.readUInt16BE(0) : answer)
