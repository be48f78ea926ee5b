import type { DeviceConfig } from '../south/config.ts'
import { findDriver } from './drivers.ts'
import type { From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** What only all devices on one line together can show, such as that it has no time for them. */
export function checkLines({ devices }: LoadedParts, problems: ProblemList): void {
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
