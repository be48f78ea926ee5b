import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { pipelineSteps } from '../control/flows/pipeline-config.ts'
import { isName } from '../model/name.ts'
import type { TagMeta } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { defaultStatePath } from '../store/config.ts'
import { asFarAsRight } from './as-far-as-right.ts'
import { checkCertificates } from './check-certificates.ts'
import { checkExposure } from './check-exposure.ts'
import { checkFlows } from './check-flows.ts'
import { checkLines } from './check-lines.ts'
import { checkNames } from './check-names.ts'
import { checkPorts, checkUpstreams } from './check-ports.ts'
import { checkRoutes } from './check-routes.ts'
import { checkSecrets } from './check-secrets.ts'
import { checkSparkplug } from './check-sparkplug.ts'
import { checkTags } from './check-tags.ts'
import { checkUpstreamRules } from './check-upstream-rules.ts'
import { parseDevice } from './device-file.ts'
import { isFolder, listYamlFiles, readTextFile } from './files.ts'
import { flowParts } from './flow-templates.ts'
import { withoutUnits } from './flow-units.ts'
import { withImported } from './imported.ts'
import { lazily } from './json-schema.ts'
import { siteSchema } from './json-schemas.ts'
import type { DevicePart, From, LoadedParts, SitePart } from './loaded.ts'
import { once } from './parse-once.ts'
import { pipelinePart } from './pipeline.ts'
import { ProblemList } from './problems.ts'
import { reportIssues, valueAt } from './schema-problems.ts'
import type { Site, SiteProblem } from './site.ts'
import { type SiteFile, siteFileSchema } from './site-file.ts'
import type { SourceFile } from './source.ts'
import { parseYamlFile } from './yaml-file.ts'

export interface LoadOptions {
  /** Where secrets and the state folder are looked up. */
  readonly environment?: NodeJS.ProcessEnv
}

/** `site` is there when there is no error; warnings do not take it away. Never throws for what the files say. */
export interface LoadedSite {
  readonly site?: Site
  readonly problems: readonly SiteProblem[]
}

/** Reads and checks everything in a site's folder, without touching network or state. */
export async function loadSite(folder: string, options: LoadOptions = {}): Promise<LoadedSite> {
  const environment = options.environment ?? process.env
  const root = resolve(folder)
  const problems = new ProblemList()
  if (!(await isFolder(root, problems))) return { problems: problems.all() }
  const parts = await readParts(root, problems)
  checkNames(parts, problems)
  checkTags(parts, problems)
  checkLines(parts, problems)
  checkFlows(parts, problems)
  checkRoutes(parts, problems)
  checkPorts(parts, problems)
  checkUpstreams(parts, problems)
  checkUpstreamRules(parts, problems)
  checkSparkplug(parts, problems)
  checkSecrets(parts, { problems, environment })
  checkExposure(parts, problems)
  checkCertificates(parts, { problems, folder: root })
  const all = problems.all()
  const file = parts.site?.part.config
  if (problems.hasErrors || file === undefined) return { problems: all }
  return { site: assembled(root, file, { parts, environment }), problems: all }
}

async function readParts(root: string, problems: ProblemList): Promise<LoadedParts> {
  const siteSource = await readSource(root, 'lineside.yaml', problems)
  const devices = await readSources(root, 'devices', problems)
  const flows = await readSources(root, 'flows', problems)
  const deviceParts = devices.sources
    .map((source) => parsed(source, parseDevice(source, problems)))
    .filter((from): from is From<DevicePart> => from !== undefined)
  const flowPartsFound = flowParts(flows.sources, problems)
  const site = siteSource && parsed(siteSource, parseSiteFile(siteSource, problems))
  const pipeline = pipelinePart(siteSource, problems)
  const tags = deviceParts.flatMap(({ part }) => part.tags)
  return {
    ...(site === undefined ? {} : { site }),
    devices: deviceParts.flatMap(({ source, part }) => (part.config === undefined ? [] : [{ source, part: part.config }])),
    deviceParts,
    flows: [...flowPartsFound.parts, ...(pipeline === undefined ? [] : [pipeline])],
    areFlowsIncomplete: flows.isIncomplete || flowPartsFound.isIncomplete,
    sources: [...(siteSource === undefined ? [] : [siteSource]), ...devices.sources, ...flows.sources],
    isIncomplete:
      devices.isIncomplete ||
      deviceParts.length < devices.sources.length ||
      deviceParts.some(({ part }) => !part.isWhole && part.paths.size === 0),
    named: new Set(deviceParts.flatMap(({ part }) => Array.from(part.paths, (path) => `${part.device}/${path}`))),
    tags: new Map(tags.map((tag) => [tag.id, tag])),
  }
}

interface FolderSources {
  readonly sources: readonly SourceFile[]
  /** Some file could not be read, or is no YAML. */
  readonly isIncomplete: boolean
}

async function readSources(root: string, name: string, problems: ProblemList): Promise<FolderSources> {
  const files = await listYamlFiles(root, name, problems)
  const sources: SourceFile[] = []
  for (const file of files) {
    const source = await readSource(root, file, problems)
    if (source !== undefined) sources.push(name === 'devices' ? await withImported(root, source, problems) : source)
  }
  return { sources, isIncomplete: sources.length < files.length }
}

async function readSource(root: string, file: string, problems: ProblemList): Promise<SourceFile | undefined> {
  const text = await readTextFile(root, file, problems)
  return text === undefined ? undefined : parseYamlFile(file, text, problems)
}

function parsed<Part>(source: SourceFile, part: Part | undefined): From<Part> | undefined {
  return part === undefined ? undefined : { source, part }
}

function parseSiteFile(source: SourceFile, problems: ProblemList): SitePart {
  const result = siteFileSchema.safeParse(source.value, once)
  if (result.success) return { config: result.data, keys: result.data }
  reportIssues(result.error, { source, problems, schema: lazily(siteSchema) })
  const right = Object.entries(siteFileSchema.shape).flatMap(([key, schema]) => {
    const known = asFarAsRight<unknown>(schema, valueAt(source.value, [key]))
    return known === undefined ? [] : [[key, known]]
  })
  return { keys: Object.fromEntries(right) as Partial<SiteFile> }
}

interface Assembling {
  readonly parts: LoadedParts
  readonly environment: NodeJS.ProcessEnv
}

function assembled(folder: string, file: SiteFile, { parts, environment }: Assembling): Site {
  const devices = parts.devices.map(({ part }) => part)
  return {
    folder,
    site: file.site,
    node: file.node ?? ownName(),
    mqtt: withAbsolutePaths(file.mqtt, folder),
    ...(file.opcua === undefined ? {} : { opcua: file.opcua }),
    api: file.api,
    upstreams: file.upstreams,
    storage: { ...file.storage, path: resolve(folder, file.storage.path ?? defaultStatePath(environment)) },
    devices,
    tags: devices.flatMap((device) => device.tags.map(metaOf)),
    flows: parts.flows.flatMap(({ part }) => (part.config === undefined ? [] : [withoutUnits(part.config, parts.tags)])),
    routes: file.routes,
    services: file.services,
    ...(file.pipeline === undefined ? {} : { pipeline: pipelineSteps(file.pipeline) }),
  }
}

/** In a site file paths are relative to the site. */
function withAbsolutePaths({ tls, ...mqtt }: SiteFile['mqtt'], folder: string): SiteFile['mqtt'] {
  if (tls === undefined) return mqtt
  const { cert, key, ca } = tls
  const paths = { cert: resolve(folder, cert), key: resolve(folder, key), ...(ca === undefined ? {} : { ca: resolve(folder, ca) }) }
  return { ...mqtt, tls: { ...tls, ...paths } }
}

function metaOf({ address: _, ...meta }: DeviceConfig['tags'][number]): TagMeta {
  return meta
}

function ownName(): string {
  const [name = ''] = hostname().split('.')
  return isName(name) ? name : 'gateway'
}
