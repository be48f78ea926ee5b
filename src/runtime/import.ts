import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../base/fault.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { BrowseCounts } from '../south/opcua/browse-journal.ts'
import type { OpcuaConfig } from '../south/opcua/config.ts'
import type { ImportBranch } from '../south/opcua/import-config.ts'
import { browse, browsedTags } from './browse.ts'

export interface ImportOptions {
  /** A file to work in; gone afterwards. */
  readonly file: string
  /** Makes a path that no other tag has. */
  readonly nameFor: (path: string) => string
  readonly stateFolderFor: (url: string) => Promise<string>
  /** In place of what the device file says. */
  readonly trust?: OpcuaConfig['connection']['trust']
  readonly signal: AbortSignal
  readonly onProgress?: (counts: BrowseCounts) => void
}

/** A site carries no more tags than this, and they are held in memory here. */
const tagsMax = 50_000

/** The tags of the branches that a device imports, by path, as its server has them now. */
export async function branchTags(
  device: DeviceConfig,
  options: ImportOptions,
): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
  const { imports: branches = [] } = device.config as OpcuaConfig
  if (device.driver !== 'opcua' || branches.length === 0) throw nothingToImport(device)
  const config = trusting(device.config as OpcuaConfig, options.trust)
  const tags = new Map<string, Readonly<Record<string, unknown>>>()
  const stateFolder = await options.stateFolderFor(config.connection.url)
  for (const branch of branches) {
    const { from: root, depth: depthMax, include, exclude } = branch
    const { file, signal, onProgress } = options
    await rm(file, { force: true })
    await browse({
      config,
      root,
      depthMax,
      include,
      exclude,
      file,
      stateFolder,
      // In a device file an index means the namespace that it meant when it was first used, whatever the server calls so today.
      pinFolder: join(stateFolder, 'devices', device.device),
      signal,
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    for await (const tag of browsedTags(file)) {
      if (tag.refusal !== undefined) continue
      if (tags.size >= tagsMax) throw tooMany(device)
      tags.set(options.nameFor(pathIn(branch, tag.path)), branch.scan === undefined ? tag.fields : { ...tag.fields, scan: branch.scan })
    }
  }
  return tags
}

function trusting(config: OpcuaConfig, trust = config.connection.trust): OpcuaConfig {
  return { ...config, connection: { ...config.connection, trust } }
}

function pathIn({ into }: ImportBranch, path: string): string {
  if (into === undefined) return path === '' ? 'value' : path
  return path === '' ? into : `${into}/${path}`
}

function nothingToImport({ device, driver }: DeviceConfig): Fault {
  const isOpcua = driver === 'opcua'
  return new Fault(
    'import.nothing',
    isOpcua ? `${device} has no \`import\`.` : `${device} speaks ${driver}, which has no branches to import.`,
    {
      remedy: isOpcua
        ? 'Add `import: [{ from: /Objects/2:Line }]` to the device file, or bring a table: --csv FILE.'
        : `Bring a table: lineside import ${device} --csv FILE.`,
    },
  )
}

function tooMany({ device }: DeviceConfig): Fault {
  return new Fault('import.too-many', `${device} would have more than ${tagsMax} tags.`, {
    remedy: 'Narrow the branches with include, exclude and depth.',
  })
}
