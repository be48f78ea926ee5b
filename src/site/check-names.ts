import type { From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** Far above one line; below it every tag still fits the OPC UA server's memory. */
const tagsMax = 50_000

/** One device and one flow of a name; and not more tags than one gateway can carry. */
export function checkNames(parts: LoadedParts, problems: ProblemList): void {
  checkUnique(parts.deviceParts, { key: 'device', nameOf: (device) => device.device, problems })
  checkUnique(parts.flows, { key: 'flow', nameOf: ({ flow }) => flow, problems })
  checkTagCount(parts, problems)
  checkCase(parts, problems)
}

/** Devices that differ in capitals alone: MQTT keeps them apart, and databases, file systems and Sparkplug hosts do not. */
function checkCase({ deviceParts }: LoadedParts, problems: ProblemList): void {
  const first = new Map<string, string>()
  for (const { source, part } of deviceParts) {
    const key = part.device.toLowerCase()
    const twin = first.get(key)
    if (twin === undefined) first.set(key, part.device)
    else if (twin !== part.device) {
      problems.add(
        source,
        { path: ['device'] },
        {
          code: 'device.case-twin',
          message: `${part.device} and ${twin} differ in capital letters alone: databases, file systems and people take them for one.`,
          remedy: 'Give one of them another name.',
          severity: 'warning',
        },
      )
    }
  }
}

interface UniqueCheck<Part> {
  readonly key: 'device' | 'flow'
  readonly nameOf: (part: Part) => string | undefined
  readonly problems: ProblemList
}

function checkUnique<Part>(all: readonly From<Part>[], { key, nameOf, problems }: UniqueCheck<Part>): void {
  const firstFiles = new Map<string, string>()
  for (const { source, part } of all) {
    const name = nameOf(part)
    if (name === undefined || name === '') continue // told of already
    const first = firstFiles.get(name)
    if (first === undefined) firstFiles.set(name, source.file)
    else {
      problems.add(
        source,
        { path: [key] },
        { code: `${key}.duplicate`, message: `${first} names a ${key} \`${name}\` too.`, remedy: `Give each ${key} a name of its own.` },
      )
    }
  }
}

function checkTagCount(parts: LoadedParts, problems: ProblemList): void {
  const count = parts.devices.reduce((sum, { part }) => sum + part.tags.length, 0)
  if (count <= tagsMax) return
  problems.addAt(
    { file: 'devices' },
    {
      code: 'site.too-many-tags',
      message: `The site has ${count} tags; one gateway carries ${tagsMax}.`,
      remedy: 'Split the site between several gateways.',
    },
  )
}
