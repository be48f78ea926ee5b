import type { Line } from './line.ts'
import type { LineRecord } from './line-pool.ts'
import type { ChannelContext, RtuChannel } from './rtu-channel.ts'
import { startRtuClient } from './rtu-client.ts'
import { openRtuSocket } from './rtu-socket.ts'
import { openSerialPort } from './serial-port.ts'
import type { ModbusConfig, RtuTcpSettings, SerialSettings } from './settings.ts'
import { connectTcp } from './tcp-client.ts'

/** Opens the line that a device file describes. */
export async function openLine(config: ModbusConfig, { units, counts }: LineRecord, { clock, signal }: ChannelContext): Promise<Line> {
  const { line, timeoutMs, inflightMax, quirks } = config
  const common = { timeoutMs, pauseMs: quirks.pauseMs, connectPauseMs: quirks.connectPauseMs, units, counts, clock }
  if (line.kind === 'tcp') return await connectTcp({ ...common, ...line, inflightMax, signal })
  const { baud, characterBits, broadcastPauseMs } = line
  const channel = await openChannel(line, { clock, signal })
  return startRtuClient({ ...common, channel, baud, characterMs: (characterBits * 1_000) / baud, broadcastPauseMs })
}

function openChannel(line: RtuTcpSettings | SerialSettings, context: ChannelContext): Promise<RtuChannel> {
  return line.kind === 'serial' ? openSerialPort(line, context) : openRtuSocket(line, context)
}
