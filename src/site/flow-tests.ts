import { type Deed, type FlowTestCase, type FlowTestFile, flowTestSchema } from '../control/flow-tests/config.ts'
import { allSteps, type FlowDefinition } from '../control/flows/config.ts'
import { suggestion } from './did-you-mean.ts'
import { listTestFiles, readTextFile } from './files.ts'
import { flowTestJsonSchema } from './json-schemas.ts'
import { ProblemList } from './problems.ts'
import { reportIssues, valueAt } from './schema-problems.ts'
import type { Site, SiteProblem } from './site.ts'
import type { Path, SourceFile } from './source.ts'
import { parseYamlFile } from './yaml-file.ts'

/** The tests of one file, each with the line where it stands. */
export interface LoadedFlowTests {
  readonly file: string
  readonly tests: FlowTestFile
  readonly lines: readonly number[]
}

/** Reads and checks `flows/*.test.yaml` against a site that is right. Files with errors are left out. */
export async function loadFlowTests(
  site: Site,
): Promise<{ readonly files: readonly LoadedFlowTests[]; readonly problems: readonly SiteProblem[] }> {
  const problems = new ProblemList()
  const files: LoadedFlowTests[] = []
  for (const file of await listTestFiles(site.folder, problems)) {
    const text = await readTextFile(site.folder, file, problems)
    const source = text === undefined ? undefined : parseYamlFile(file, text, problems)
    const tests = source === undefined ? undefined : parseFlowTests(source, site, problems)
    if (source === undefined || tests === undefined) continue
    files.push({ file, tests, lines: tests.cases.map((_, place) => source.place({ path: ['cases', place] }).line) })
  }
  return { files, problems: problems.all() }
}

function parseFlowTests(source: SourceFile, site: Site, problems: ProblemList): FlowTestFile | undefined {
  const result = flowTestSchema.safeParse(source.value)
  if (!result.success) {
    reportIssues(result.error, { source, problems, schema: flowTestJsonSchema })
    return undefined
  }
  const names = new Names(source, site, problems)
  names.checkFile(result.data)
  return names.areRight ? result.data : undefined
}

/** What a test names is there: a tag that is written wrong would else be one that never changes. */
class Names {
  readonly #source: SourceFile
  readonly #problems: ProblemList
  readonly #site: Site
  readonly #tags: ReadonlySet<string>
  readonly #devices: ReadonlySet<string>
  readonly #flows: ReadonlyMap<string, FlowDefinition>
  areRight = true

  constructor(source: SourceFile, site: Site, problems: ProblemList) {
    this.#source = source
    this.#problems = problems
    this.#site = site
    this.#tags = new Set(site.tags.map(({ id }) => id))
    this.#devices = new Set(site.devices.map(({ device }) => device))
    this.#flows = new Map(site.flows.map((flow) => [flow.flow, flow]))
  }

  checkFile(file: FlowTestFile): void {
    const { flow, plant, beside, cases } = file
    this.#one(flow, this.#flows.keys(), { path: ['flow'], noun: 'flow' })
    for (const [place, name] of beside.entries()) this.#one(name, this.#flows.keys(), { path: ['beside', place], noun: 'flow' })
    this.#keys(['tags'], this.#tags, 'tag')
    this.#keys(['services'], Object.keys(this.#site.services), 'service')
    const steps = new Set([flow, ...beside].flatMap((name) => this.#stepsBelow(name)))
    for (const [place, deed] of plant.entries()) this.#deed(deed, ['plant', place], steps)
    for (const [place, own] of cases.entries()) this.#case(own, ['cases', place], steps)
  }

  #case({ do: deeds }: FlowTestCase, path: Path, steps: ReadonlySet<string>): void {
    this.#keys([...path, 'tags'], this.#tags, 'tag')
    this.#keys([...path, 'devices'], this.#devices, 'device')
    this.#keys([...path, 'methods'], this.#devices, 'device')
    this.#keys([...path, 'services'], Object.keys(this.#site.services), 'service')
    this.#keys([...path, 'fail'], steps, 'step')
    for (const key of ['steps', 'ways']) this.#keys([...path, 'expect', key], steps, 'step')
    this.#keys([...path, 'expect', 'tags'], this.#tags, 'tag')
    const writes = valueAt(this.#source.value, [...path, 'expect', 'writes'])
    for (const place of Array.isArray(writes) ? writes.keys() : []) this.#keys([...path, 'expect', 'writes', place], this.#tags, 'tag')
    for (const [place, deed] of deeds.entries()) this.#deed(deed, [...path, 'do', place], steps)
  }

  #deed({ on, start }: Deed, path: Path, steps: ReadonlySet<string>): void {
    this.#keys([...path, 'set'], this.#tags, 'tag')
    this.#keys([...path, 'devices'], this.#devices, 'device')
    if (on?.write !== undefined) this.#one(on.write, this.#tags, { path: [...path, 'on', 'write'], noun: 'tag' })
    if (on?.step !== undefined) this.#one(on.step, steps, { path: [...path, 'on', 'step'], noun: 'step' })
    if (on?.request !== undefined)
      this.#one(on.request, Object.keys(this.#site.services), { path: [...path, 'on', 'request'], noun: 'service' })
    if (start?.flow !== undefined) this.#one(start.flow, this.#flows.keys(), { path: [...path, 'start', 'flow'], noun: 'flow' })
  }

  #keys(path: Path, known: Iterable<string>, noun: string): void {
    const map = valueAt(this.#source.value, path)
    const all = new Set(known)
    for (const key of typeof map === 'object' && map !== null ? Object.keys(map) : []) {
      this.#one(key, all, { path: [...path, key], noun, part: 'key' })
    }
  }

  #one(name: string, known: Iterable<string>, at: { readonly path: Path; readonly noun: string; readonly part?: 'key' }): void {
    const all = new Set(known)
    if (all.has(name)) return
    this.areRight = false
    const message = `There is no ${at.noun} \`${name.slice(0, 200)}\` ${at.noun === 'step' ? 'in this flow' : 'in this site'}.`
    const part = at.part === undefined ? {} : { part: at.part }
    this.#problems.add(
      this.#source,
      { path: at.path, ...part },
      { code: `test.${at.noun}-unknown`, message, remedy: suggestion(name, all) },
    )
  }

  #stepsBelow(flow: string): readonly string[] {
    return allSteps(this.#flows.get(flow)?.steps ?? []).map(({ id }) => id)
  }
}
