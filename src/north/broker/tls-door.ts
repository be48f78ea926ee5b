import type { Socket } from 'node:net'
import { createServer, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { MqttTlsConfig } from './config.ts'
import { type DoorOptions, listen, type OpenDoor, socketOptions } from './door.ts'
import { incidentKinds } from './incidents.ts'
import type { ServerCertificate } from './server-certificate.ts'

export const handshakeMs = 5_000

/** Whose certificates are asked for, for any server of ours. */
export function clientCertificateOptions(clients: MqttTlsConfig['clientCertificates']) {
  return { requestCert: clients !== 'none', rejectUnauthorized: clients === 'required' } as const
}

/** MQTT over TLS. */
export async function openTlsDoor(
  config: MqttTlsConfig,
  options: DoorOptions & { readonly certificate: ServerCertificate },
): Promise<OpenDoor> {
  const { doorway, incidents, log, certificate } = options
  const server = createServer(
    {
      ...socketOptions,
      ...certificate.options,
      ...clientCertificateOptions(config.clientCertificates),
      handshakeTimeout: handshakeMs,
    },
    (socket) => doorway.open({ door: 'tls', socket, certificate: namesIn(socket) }),
  )
  certificate.onRenewal((renewed) => server.setSecureContext(renewed))
  server.on('connection', (socket: Socket) => void doorway.knock(socket))
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET') incidents.note(incidentKinds.handshake, { address: socket.remoteAddress, error: error.message })
    socket.destroy()
  })
  const host = config.host ?? options.config.host
  const door = await listen(server, { host, port: config.port, key: 'mqtt.tls' })
  log.info('The MQTT broker listens for TLS.', { host, port: door.port })
  return door
}

/** The common name and every alternative name of a certificate that our authority has signed; none otherwise. */
export function namesIn(socket: TLSSocket): readonly string[] {
  if (!socket.authorized) return []
  const { subject, subjectaltname = '' }: Partial<PeerCertificate> = socket.getPeerCertificate()
  const common = [subject?.CN ?? []].flat()
  const others = subjectaltname.split(', ').flatMap((entry) => {
    const name = entry.slice(entry.indexOf(':') + 1)
    return name === '' || name.startsWith('"') ? [] : name // what Node quotes was made to be misread
  })
  return [...common, ...others]
}
