import type { DeviceConfig } from '../south/config.ts'
import { findDriver } from './drivers.ts'
import type { From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** What only all devices on one line together can show, such as that it has no time for them. */
export function checkLines({ devices }: LoadedParts, problems: ProblemList): void {
  checkPeers(devices, problems)
  const lines = Map.groupBy(devices, lineKey)
  for (const members of lines.values()) {
    const driver = findDriver(members[0]?.part.driver)
    const sources = new Map(members.map(({ part, source }) => [part.device, source]))
    for (const { device, path, ...finding } of driver?.checkLine?.(members.map(({ part }) => part)) ?? []) {
      const source = sources.get(device)
      if (source !== undefined) problems.add(source, { path }, finding)
    }
  }
}

function lineKey({ part }: From<DeviceConfig>): string {
  const line = findDriver(part.driver)?.lineOf?.(part.config)
  return line === undefined ? `device ${part.device}` : `line ${part.driver} ${line}`
}

/** One port speaks one protocol: of two files that expect different ones behind it, one is wrong. */
function checkPeers(devices: readonly From<DeviceConfig>[], problems: ProblemList): void {
  const first = new Map<string, { readonly device: string; readonly speaks: string }>()
  for (const { part, source } of devices) {
    const peer = findDriver(part.driver)?.peerOf?.(part.config)
    if (peer === undefined) continue
    const known = first.get(peer.place)
    if (known === undefined) first.set(peer.place, { device: part.device, speaks: peer.speaks })
    else if (known.speaks !== peer.speaks)
      problems.add(
        source,
        { path: ['connection'], part: 'key' },
        {
          code: 'device.port-conflict',
          message: `${peer.place} speaks ${peer.speaks} here and ${known.speaks} in ${known.device}.`,
          remedy: `Look up which of both it speaks and correct the other file: its \`driver\`, \`port\` or \`tls\`.`,
        },
      )
  }
}
