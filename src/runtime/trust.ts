import { join } from 'node:path'
import { Fault } from '../base/fault.ts'
import type { Site } from '../site/site.ts'
import { acceptFingerprint, readTrust, type Trust } from '../south/opcua/trust.ts'

export { trustCommand } from '../south/opcua/trust.ts'

export interface DeviceTrust extends Trust {
  readonly device: string
}

/** Which servers the OPC UA devices of a site trust, and which they refused. Reads files only: the daemon may run or not. */
export async function siteTrust(site: Site): Promise<readonly DeviceTrust[]> {
  const devices = site.devices.filter(({ driver }) => driver === 'opcua')
  return await Promise.all(devices.map(async ({ device }) => ({ device, ...(await readTrust(stateOf(site, device))) })))
}

/** From its next attempt on, which comes within a second, the device talks to the server with this certificate and to no other. */
export async function trustServer(site: Site, device: string, fingerprint: string): Promise<string> {
  const found = site.devices.find((one) => one.device === device)
  if (found?.driver !== 'opcua') {
    const names = site.devices.filter(({ driver }) => driver === 'opcua').map((one) => one.device)
    throw new Fault('trust.unknown-device', `The site has no OPC UA device ${device}.`, {
      remedy: names.length === 0 ? 'Certificates are those of OPC UA devices only.' : `It has: ${names.join(', ')}.`,
    })
  }
  return await acceptFingerprint(stateOf(site, device), fingerprint)
}

/** Of a server that is browsed, whose state is in this folder. */
export async function browsedTrust(folder: string): Promise<Trust> {
  return await readTrust(folder)
}

export async function trustBrowsed(folder: string, fingerprint: string): Promise<string> {
  return await acceptFingerprint(folder, fingerprint)
}

/** As the control room is told in rooms.ts. */
function stateOf(site: Site, device: string): string {
  return join(site.storage.path, 'control', 'devices', device)
}
