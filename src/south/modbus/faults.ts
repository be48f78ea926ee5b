import { Fault, type FaultOptions } from '../../base/fault.ts'

/** A request that got no answer, and whether the device may have seen it: a write that was sent may have been carried out. */
export class LineFault extends Fault {
  readonly wasSent: boolean

  constructor(code: string, message: string, options: FaultOptions & { readonly wasSent: boolean }) {
    super(code, message, { isRetryable: true, ...options })
    this.wasSent = options.wasSent
  }
}

export function noAnswer(peer: string, unit: number, timeoutMs: number): LineFault {
  return new LineFault('modbus.no-answer', `Unit ${unit} at ${peer} did not answer within ${timeoutMs} ms.`, {
    wasSent: true,
    remedy: 'Check that the unit id is right and the device runs; raise `connection: { timeout }` if it is only slow.',
  })
}

export function lineBusy(peer: string, waitingMax: number): LineFault {
  return new LineFault('modbus.busy', `${waitingMax} requests already wait for ${peer}.`, {
    wasSent: false,
    remedy: 'Ask less often; raise `modbus: { inflight }` if the device can take more requests at once.',
  })
}

export function abandoned(peer: string): LineFault {
  return new LineFault('modbus.abandoned', `The request to ${peer} was given up before it was sent.`, {
    wasSent: false,
    remedy: 'Ask again when the line to the device is less busy.',
  })
}

/** The end of a connection, for a request that it takes along. */
export function lostWith(loss: Fault, wasSent: boolean): LineFault {
  return new LineFault(loss.code, loss.message, { remedy: loss.remedy, cause: loss.cause, wasSent })
}

export function closedByPeer(peer: string, cause?: unknown): Fault {
  return new Fault('modbus.closed', `${peer} closed the connection.`, {
    remedy: 'Look whether the device restarted, or serves fewer connections than there are masters.',
    isRetryable: true,
    cause,
  })
}

export function closedByUs(peer: string): Fault {
  return new Fault('modbus.disconnected', `The connection to ${peer} was closed here.`, {
    remedy: 'Wait: it is made again.',
    isRetryable: true,
  })
}

export function noModbus(peer: string, what: string): Fault {
  return new Fault('modbus.violation', `${peer} sent something that is no answer to what was asked: ${what}.`, {
    remedy:
      'Make sure that this port speaks Modbus TCP, and that no gateway between mixes up its masters; set `inflight: 1` if it is higher.',
    isRetryable: true,
  })
}

export function notTaken(peer: string): Fault {
  return new Fault('modbus.stuck', `${peer} takes no bytes any more.`, {
    remedy: 'Restart the device or the gateway before it.',
    isRetryable: true,
  })
}

const remedyOfConnecting: Readonly<Record<string, readonly [code: string, remedy: string]>> = {
  ECONNREFUSED: ['modbus.refused', 'Check the port, and that the Modbus server of the device is switched on.'],
  ENOTFOUND: ['modbus.host-unknown', 'Check the name of the host, or use its IP address.'],
  EAI_AGAIN: ['modbus.host-unknown', 'Check the name server of this machine, or use the IP address of the device.'],
  EHOSTUNREACH: ['modbus.unreachable', 'Check cable, power and address of the device.'],
  ENETUNREACH: ['modbus.unreachable', 'Check the network settings of this machine.'],
  ETIMEDOUT: ['modbus.unreachable', 'Check cable, power and address of the device.'],
}

export function cannotConnect(peer: string, error: unknown): Fault {
  if (error instanceof Fault) return error
  const errno = error instanceof Error && 'code' in error ? String(error.code) : ''
  const [code, remedy] = remedyOfConnecting[errno] ?? ['modbus.unreachable', 'Check the address, the network and the device.']
  return new Fault(code, `Cannot connect to ${peer}${errno === '' ? '' : ` (${errno})`}.`, { remedy, isRetryable: true, cause: error })
}

/** Modbus Application Protocol 1.1b3, 7. */
const exceptions: Readonly<Record<number, readonly [name: string, remedy: string]>> = {
  1: ['illegal function', 'Use another area or type: the device lacks this function.'],
  2: ['illegal address', 'Compare the address with the manual, mind `addressing: one`, or lower `modbus: { gap }`.'],
  3: ['illegal value', 'Compare value and length with the manual; lower `quirks: { registersMax }` if the device reads fewer at once.'],
  4: ['device failure', 'Look at the diagnostics of the device.'],
  5: ['acknowledged, still working', 'Wait, then read the value.'],
  6: ['busy', 'Ask again a little later.'],
  8: ['memory parity error', 'Look at the diagnostics of the device.'],
  10: ['gateway path unavailable', 'Check the unit id and the settings of the gateway.'],
  11: ['gateway target did not answer', 'Check power, cable and unit id of the device behind the gateway.'],
}

export function exceptionFault(what: string, code: number): Fault {
  const [name, remedy] = exceptions[code] ?? ['unknown to the standard', "Look the code up in the device's manual."]
  return new Fault(`modbus.exception-${code}`, `The device refused ${what}: exception ${code}, ${name}.`, {
    remedy,
    isRetryable: code === 5 || code === 6 || code === 10 || code === 11,
  })
}
