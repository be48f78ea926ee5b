import { doubtsOfOpcuaServer } from '../north/opcua-server/config.ts'
import { isLoopback } from './check-ports.ts'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import type { SiteFile } from './site-file.ts'
import type { Finding, Path } from './source.ts'

interface Doubt extends Finding {
  readonly path: Path
}

/** Doors that stand open: allowed, for a bench or a closed network, and never silently. */
export function checkExposure({ site }: LoadedParts, problems: ProblemList): void {
  if (site === undefined) return
  const doubts = [
    ...mqttDoubts(site.part.keys),
    ...apiDoubts(site.part.keys),
    ...opcuaDoubts(site.part.keys),
    ...upstreamDoubts(site.part.keys),
  ]
  for (const { path, ...finding } of doubts) problems.add(site.source, { path }, { ...finding, severity: 'warning' })
}

function mqttDoubts({ mqtt }: Partial<SiteFile>): readonly Doubt[] {
  if (mqtt === undefined) return []
  const { anonymous, host } = mqtt
  const doubts: Doubt[] = []
  if (anonymous !== undefined) {
    const who = anonymous.isFromAnywhere ? 'Anybody who reaches it' : 'Every program on this machine'
    doubts.push({
      path: ['mqtt', 'anonymous'],
      code: 'mqtt.anonymous',
      message: `${who} may use the broker as ${anonymous.role}, without credentials.`,
      remedy: 'Set mqtt.anonymous to false once your clients have credentials.',
    })
  }
  if (!isLoopback(host)) {
    doubts.push({
      path: ['mqtt', 'host'],
      code: 'mqtt.unencrypted',
      message: `The broker listens on ${host} without encryption: what passes can be read and changed on the way.`,
      remedy: 'Listen on 127.0.0.1 and give the network `mqtt: { tls: … }`, or keep the network to the machines of the line.',
    })
  }
  const webHost = mqtt.websocket?.host ?? host
  if (mqtt.websocket?.isEncrypted === false && !isLoopback(webHost)) {
    doubts.push({
      path: ['mqtt', 'websocket'],
      code: 'mqtt.unencrypted',
      message: `WebSockets are served on ${webHost} without encryption: what passes can be read and changed on the way.`,
      remedy: 'Set `tls: true` there, or listen on 127.0.0.1.',
    })
  }
  return doubts
}

function apiDoubts({ api }: Partial<SiteFile>): readonly Doubt[] {
  if (api === undefined || isLoopback(api.host)) return []
  const { anonymous, host } = api
  const isAsked = anonymous === false || (anonymous !== undefined && !anonymous.isFromAnywhere)
  return [
    {
      path: ['api', 'host'],
      code: 'api.open',
      message: isAsked
        ? `HTTP listens on ${host} without encryption: passwords can be read on the way.`
        : `HTTP listens on ${host} without encryption, and whoever reads needs no password.`,
      remedy: isAsked
        ? 'Listen on 127.0.0.1, behind a proxy that encrypts.'
        : 'Listen on 127.0.0.1, behind a proxy that encrypts, and set `anonymous: false`.',
    },
  ]
}

function opcuaDoubts({ opcua }: Partial<SiteFile>): readonly Doubt[] {
  if (opcua === undefined) return []
  return doubtsOfOpcuaServer(opcua).map((doubt) => ({ ...doubt, path: ['opcua', ...doubt.path] }))
}

function upstreamDoubts({ upstreams }: Partial<SiteFile>): readonly Doubt[] {
  return Object.entries(upstreams ?? {}).flatMap(([name, { url, tls }]): readonly Doubt[] => {
    const { protocol, hostname } = URL.parse(url) ?? {}
    if (tls?.isVerified === false) {
      return [
        {
          path: ['upstreams', name, 'tls', 'verify'],
          code: 'upstream.unverified',
          message: `Whoever poses as ${hostname} gets everything that is sent to it, a password included.`,
          remedy: 'Name its authority as tls.ca, and leave tls.verify on.',
        },
      ]
    }
    if (protocol !== 'mqtt:' || isLoopback(hostname ?? '')) return []
    return [
      {
        path: ['upstreams', name, 'url'],
        code: 'upstream.unencrypted',
        message: `Everything to ${hostname}, a password included, can be read and changed on the way.`,
        remedy: 'Use mqtts://, if that broker can.',
      },
    ]
  })
}
