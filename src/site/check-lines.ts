import type { Tag } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { findDriver } from './drivers.ts'
import type { From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** What only all devices on one line together can show, such as that it has no time for them. */
export function checkLines({ devices }: LoadedParts, problems: ProblemList): void {
  checkPeers(devices, problems)
  checkPlaces(devices, problems)
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

/** One place that two files let somebody write: the rules of the one say nothing to who writes through the other. Told once for two files. */
function checkPlaces(devices: readonly From<DeviceConfig>[], problems: ProblemList): void {
  for (const [name, members] of Map.groupBy(devices, ({ part }) => part.driver)) {
    const pairs = findDriver(name)?.sharingAcross?.(members.map(({ part }) => part)) ?? []
    const written = pairs.filter(([one, other]) => one.write !== undefined && other.write !== undefined)
    const ofFiles = Map.groupBy(written.map(inOrderOf(members)), ([one, other]) => `${one.device} ${other.device}`)
    for (const [[one, other] = [], ...more] of ofFiles.values()) {
      const source = members.find(({ part }) => part.device === other?.device)?.source
      if (one === undefined || other === undefined || source === undefined) continue
      const others = more.length === 0 ? '' : `, and so it is with ${more.length} more`
      problems.add(
        source,
        { path: ['tags', other.path, 'write'], part: 'key' },
        {
          code: 'device.place-twice',
          message: `${other.id} is the same place of the same device as ${one.id}, and both may be written${others}: each has rules of its own, and whoever writes the one goes past those of the other.`,
          remedy: `Give the place \`write:\` in one of both files, ${one.device} or ${other.device}; the other one may read it.`,
          severity: 'warning',
        },
      )
    }
  }
}

type Pair = readonly [Tag<unknown>, Tag<unknown>]

/** The tag of the file that comes first, first. */
function inOrderOf(members: readonly From<DeviceConfig>[]): (pair: Pair) => Pair {
  const places = new Map(members.map(({ part }, place) => [part.device, place]))
  return ([one, other]) => ((places.get(one.device) ?? 0) <= (places.get(other.device) ?? 0) ? [one, other] : [other, one])
}
