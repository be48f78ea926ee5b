import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Fault } from '../../base/fault.ts'

/** Where a door of the embedded broker listens. */
export interface OwnDoor {
  readonly host: string
  readonly port: number
}

export interface Listening {
  readonly port: number
  readonly tlsPort: number | undefined
}

export interface Hosts {
  readonly host: string
  readonly tls?: { readonly host?: string | undefined }
}

/** The doors by which an upstream could come in. */
export function ownDoors({ host, tls }: Hosts, { port, tlsPort }: Listening): readonly OwnDoor[] {
  return [{ host, port }, ...(tlsPort === undefined ? [] : [{ host: tls?.host ?? host, port: tlsPort }])]
}

type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

/**
 * Throws the Fault `upstream.own-broker` where the far end of a connection is the embedded broker, by whatever name it was found: what goes up
 * would be taken for a client's attempt on our own topics, acknowledged, and thrown away.
 */
export function refuseOwnBroker(url: string, stream: object, doors: readonly OwnDoor[]): void {
  const { remoteAddress, remotePort } = stream as Partial<Peer>
  if (remoteAddress === undefined) return
  const address = plain(remoteAddress)
  const door = doors.find(({ host, port }) => port === remotePort && isServed(host, address))
  if (door === undefined) return
  throw new Fault('upstream.own-broker', `${url} is this gateway's own broker, which listens at port ${door.port} of ${door.host}.`, {
    remedy:
      'Nothing is lost. Write the address of the broker above. Clients of this gateway find its topics on its own broker without an upstream.',
    isRetryable: true, // a name may come to mean another machine
  })
}

/** Whether somebody who listens at `host` is who answers at this address. */
function isServed(host: string, address: string): boolean {
  if (!isOwn(address)) return false
  if (host === '0.0.0.0' || host === '::' || host === '*') return true
  return host === address || (host === 'localhost' && isLoopback(address))
}

function isOwn(address: string): boolean {
  if (isLoopback(address)) return true
  return Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address))
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Of IPv4 inside IPv6 the IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/, '')
}
