import { createServer, type Socket } from 'node:net'
import { firstFailure, type Running } from '../../base/running.ts'
import { type DoorOptions, listen, type OpenDoor, socketOptions } from './door.ts'

export interface Doors extends Running {
  readonly port: number
  readonly tlsPort: number | undefined
  readonly websocketPort: number | undefined
}

/** Opens every port that the site asks for. What TLS and WebSocket need is loaded only where they are used. */
export async function openDoors(options: DoorOptions): Promise<Doors> {
  const { config } = options
  await using parts = new AsyncDisposableStack()
  const plain = parts.use(await openPlainDoor(options))
  const { tls, websocket } = config
  const certificate =
    tls === undefined ? undefined : parts.use(await (await import('./server-certificate.ts')).openServerCertificate(tls, options))
  const encrypted =
    certificate === undefined || tls === undefined
      ? undefined
      : parts.use(await (await import('./tls-door.ts')).openTlsDoor(tls, { ...options, certificate }))
  const web =
    websocket === undefined
      ? undefined
      : parts.use(await (await import('./websocket-door.ts')).openWebSocketDoor(websocket, { ...options, certificate }))
  const opened = parts.move()
  return {
    port: plain.port,
    tlsPort: encrypted?.port,
    websocketPort: web?.port,
    failure: firstFailure([plain, encrypted, web, certificate].filter((part) => part !== undefined)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function openPlainDoor({ config, doorway, log }: DoorOptions): Promise<OpenDoor> {
  const { host } = config
  const server = createServer(socketOptions, (socket: Socket) => {
    if (doorway.knock(socket)) doorway.open({ door: 'tcp', socket })
  })
  const door = await listen(server, { host, port: config.port, key: 'mqtt' })
  log.info('The MQTT broker listens.', { host, port: door.port })
  return door
}
