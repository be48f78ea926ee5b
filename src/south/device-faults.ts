import { Fault } from '../base/fault.ts'
import type { DeviceConfig } from './config.ts'

export function deviceAbsent(device: string): Fault {
  return new Fault('device.absent', `The device ${device} is not connected.`, {
    remedy: `Check its power, cable and address; the state of ${device} says what the last attempt met.`,
    isRetryable: true,
  })
}

export function noMethods({ device, driver }: DeviceConfig): Fault {
  return new Fault('device.no-methods', `The device ${device} has no methods that could be called: it speaks ${driver}.`, {
    remedy: 'Call methods of OPC UA devices only; write a tag instead.',
  })
}

export function connectionEnded(device: string): Fault {
  return new Fault('device.ended', `The connection to ${device} ended.`, { remedy: 'Wait: it is made again.', isRetryable: true })
}

export function connectTimedOut(device: string, connectTimeoutMs: number): Fault {
  return new Fault('device.connect-timeout', `The device ${device} did not accept a connection within ${connectTimeoutMs} ms.`, {
    remedy: 'Check that the address is right and that no firewall drops the packets.',
    isRetryable: true,
  })
}

export function connectSlow(device: string, waitedMs: number): Fault {
  return new Fault('device.connect-slow', `The device ${device} has been called for ${waitedMs} ms, and has not taken us yet.`, {
    remedy: 'Wait a few seconds for why; meanwhile check that the address is right and that no firewall drops the packets.',
    isRetryable: true,
  })
}

/** Something is there, and does not take us: it is asked ever more rarely, while an absent device is looked for twice a second. */
export class UnwelcomeFault extends Fault {}
