import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import { isOwnName } from '../../base/own-name.ts'
import type { MqttWebSocketConfig } from './config.ts'
import { type DoorOptions, listen, type OpenDoor, socketOptions } from './door.ts'
import { incidentKinds } from './incidents.ts'
import type { ServerCertificate } from './server-certificate.ts'
import { clientCertificateOptions, handshakeMs, namesIn } from './tls-door.ts'

/** For the few headers of a handshake. */
const httpLimits = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8 * 1024 } as const
/** MQTT 6.0.0-3; the second is what older pages say. */
const protocols = ['mqtt', 'mqttv3.1']

interface WebSocketDoorOptions extends DoorOptions {
  readonly certificate: ServerCertificate | undefined
}

/** MQTT over WebSocket, for pages in a browser. Whatever else is asked of this port is refused. */
export async function openWebSocketDoor(config: MqttWebSocketConfig, options: WebSocketDoorOptions): Promise<OpenDoor> {
  const { doorway, incidents, log } = options
  const { packetBytesMax } = options.config.limits
  const web = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // a small frame may unpack to a large one
    maxPayload: packetBytesMax,
    handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  })
  const server = httpServer(config, options)
  server.on('connection', (socket: Socket) => void doorway.knock(socket))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const refusal = refusalOf(request, config)
    if (refusal !== undefined) {
      incidents.note(incidentKinds.webSocket, { address: socket.remoteAddress, ...refusal })
      socket.end(`HTTP/1.1 ${refusal.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    web.handleUpgrade(request, socket, head, (webSocket) => {
      const certificate = socket instanceof TLSSocket ? namesIn(socket) : []
      doorway.open({ door: 'websocket', socket, stream: mqttStream(webSocket), certificate })
    })
  })
  const host = config.host ?? options.config.host
  const door = await listen(server, { host, port: config.port, key: 'mqtt.websocket' })
  log.info('The MQTT broker listens for WebSockets.', { host, port: door.port, isEncrypted: config.isEncrypted })
  return door
}

function httpServer(config: MqttWebSocketConfig, { certificate, config: { tls } }: WebSocketDoorOptions): Server | TlsServer {
  const answer: RequestListener = (_request, response) => {
    response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end()
  }
  if (!config.isEncrypted || certificate === undefined || tls === undefined)
    return createServer({ ...httpLimits, ...socketOptions }, answer)
  const server = createTlsServer(
    {
      ...httpLimits,
      ...socketOptions,
      ...certificate.options,
      ...clientCertificateOptions(tls.clientCertificates),
      handshakeTimeout: handshakeMs,
    },
    answer,
  )
  certificate.onRenewal((renewed) => server.setSecureContext(renewed))
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

/** A text frame is no MQTT (6.0.0-1). */
function mqttStream(webSocket: WebSocket) {
  const stream = createWebSocketStream(webSocket)
  webSocket.on('message', (_data, isBinary) => {
    if (!isBinary) webSocket.close(1003)
  })
  return stream
}

interface Refusal {
  readonly status: string
  readonly why: string
}

function refusalOf({ headers }: IncomingMessage, { origins }: MqttWebSocketConfig): Refusal | undefined {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  if (!protocols.some((protocol) => offered.includes(protocol)))
    return { status: '400 Bad Request', why: 'it does not offer the subprotocol mqtt' }
  if (isWelcomePage(headers, origins)) return undefined
  return { status: '403 Forbidden', why: `its page is of ${headers.origin?.slice(0, 100)}` }
}

/** A page of somebody else, open in a browser beside this machine, must not come in with what the browser may reach. Programs send no Origin. */
function isWelcomePage({ origin, host = '' }: IncomingMessage['headers'], origins: readonly string[]): boolean {
  if (origin === undefined) return true
  const page = URL.parse(origin)
  if (page === null) return false
  if (origins.some((one) => URL.parse(one)?.origin === page.origin)) return true
  return page.hostname === URL.parse(`http://${host}`)?.hostname && isOwnName(page.hostname)
}
