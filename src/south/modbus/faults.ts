import { Fault, type FaultOptions } from '../../base/fault.ts'
import { type Place, placeText } from './address.ts'
import { tlsFault } from './tls-faults.ts'

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

/** Nothing was sent. `cause` is what its last silence was. */
export function unitResting({
  unit,
  times,
  restMs,
  cause,
}: {
  readonly unit: number
  readonly times: number
  readonly restMs: number
  readonly cause: Fault
}): LineFault {
  const seconds = Math.max(0.1, Math.ceil(restMs / 100) / 10)
  return new LineFault(
    'modbus.unit-resting',
    `Unit ${unit} was silent ${times} times running, and is left alone for another ${seconds} s, so nothing was sent: ${cause.message}`,
    { wasSent: false, remedy: `Ask again in ${seconds} s, when the unit is asked anew. ${cause.remedy}`, cause },
  )
}

export function garbled(peer: string, unit: number, receivedBytes: number): LineFault {
  return new LineFault(
    'modbus.garbled',
    `${receivedBytes} bytes came from ${peer} when unit ${unit} was asked, and no answer among them.`,
    {
      wasSent: true,
      remedy:
        'Compare baud rate, parity and stop bits with the device, look for two units of one number, and check termination and shield.',
    },
  )
}

export function damaged(peer: string, unit: number): LineFault {
  return new LineFault('modbus.crc', `The answer of unit ${unit} at ${peer} was damaged on the way.`, {
    wasSent: true,
    remedy: 'Check shield, termination and the length of the line; lower the baud rate if it goes on.',
  })
}

export function notInStep(peer: string, unit: number): LineFault {
  return new LineFault('modbus.no-answer', `Unit ${unit} at ${peer} still owes answers, and is not asked before they are here.`, {
    wasSent: false,
    remedy: 'Raise `connection: { timeout }` if the device is only slow.',
  })
}

export function noBroadcastRead(peer: string): LineFault {
  return new LineFault('modbus.broadcast-read', `Unit 0 of ${peer} is every unit at once, and cannot be read.`, {
    wasSent: false,
    remedy: 'Read from a unit of its own number; unit 0 can only be written.',
  })
}

export function babbling(peer: string, noisyMs: number): Fault {
  return new Fault('modbus.babbling', `Something on ${peer} has been talking for ${noisyMs} ms without being asked.`, {
    remedy: 'Look for a second master on the line, a baud rate that is wrong, or a transceiver that does not stop sending.',
    isRetryable: true,
  })
}

export function deafLine(peer: string): Fault {
  return new Fault('modbus.deaf', `None of the devices at ${peer} answers any more.`, {
    remedy: 'Check the gateway or adapter, the power of the devices, and the cable.',
    isRetryable: true,
  })
}

export function otherTerms(line: string): Fault {
  return new Fault('modbus.line-conflict', `${line} is open with other settings than this device asks for.`, {
    remedy: 'Wait until the devices that still use it as it was are connected to anew; `lineside check` shows files that do not agree.',
    isRetryable: true,
  })
}

const remedyOfPort: readonly (readonly [pattern: RegExp, code: string, remedy: string])[] = [
  [
    /no such file|ENOENT/i,
    'modbus.port-unknown',
    'Plug the adapter in; name it by /dev/serial/by-id/…, which does not change with the socket it is in.',
  ],
  [
    /permission denied|EACCES/i,
    'modbus.port-forbidden',
    'Add the user of the daemon to the group that owns the port: usermod -aG dialout lineside.',
  ],
  [/lock|busy|EBUSY|temporarily unavailable/i, 'modbus.port-taken', 'End the other program that has the port open: fuser -v shows it.'],
]

export function cannotOpenPort(path: string, error: unknown): Fault {
  if (error instanceof Fault) return error
  const text = error instanceof Error ? error.message : String(error)
  const known = remedyOfPort.find(([pattern]) => pattern.test(text))
  const [, code, remedy] = known ?? [
    undefined,
    'modbus.port',
    'Check the name of the port, the adapter, and that the rate is one it can do.',
  ]
  return new Fault(code, `Cannot open ${path}: ${text}.`, { remedy, isRetryable: true, cause: error })
}

export function portLost(path: string, cause?: unknown): Fault {
  return new Fault('modbus.port-lost', `The serial port ${path} is gone.`, {
    remedy: 'Plug the adapter in again; it is opened by itself.',
    isRetryable: true,
    cause,
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
  const tls = tlsFault(peer, cause)
  if (tls !== undefined) return tls
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
  const tls = tlsFault(peer, error)
  if (tls !== undefined) return tls
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

export function exceptionName(code: number): string {
  return exceptions[code]?.[0] ?? 'unknown to the standard'
}

export function exceptionFault(what: string, code: number): Fault {
  const remedy = exceptions[code]?.[1] ?? "Look the code up in the device's manual."
  return new Fault(`modbus.exception-${code}`, `The device refused ${what}: exception ${code}, ${exceptionName(code)}.`, {
    remedy,
    isRetryable: code === 5 || code === 6 || code === 10 || code === 11,
  })
}

/** Exceptions that leave it open whether the write is carried out: it may be, a little later. */
export function openFault(what: string, code: number): Fault {
  const { code: name, remedy, isRetryable } = exceptionFault(what, code)
  const message = `The device did not say whether ${what} was carried out: exception ${code}, ${exceptionName(code)}.`
  return new Fault(name, message, { remedy, isRetryable })
}

/** The lost request was the read before the write. */
export function notWritten({ code, message, remedy, cause }: LineFault): LineFault {
  return new LineFault(code, message, { remedy, cause, wasSent: false })
}

type Where = Pick<Place, 'unit' | 'area' | 'start'>

export function readOnly(where: Where): Fault {
  return new Fault('modbus.read-only', `${placeText(where)} lies in an area that can only be read.`, { remedy: 'Use a hr or co address.' })
}

export function noBool(where: Where): Fault {
  return new Fault('modbus.value-type', `A bit of ${placeText(where)} is true or false, nothing else.`, { remedy: 'Write true or false.' })
}

export function noFunction(where: Where, functions: readonly number[]): Fault {
  const codes = functions.map((code) => `FC${code}`).join(' nor ')
  return new Fault('modbus.exception-1', `The device has not ${codes}, so ${placeText(where)} cannot be written.`, {
    remedy: 'Remove `write` from the tag, or switch the function on in the device.',
  })
}
