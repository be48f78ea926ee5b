import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FlowTestFilter, type FlowTestResult, runFlowTests } from '../runtime/flow-tests.ts'
import { loadFlowTests } from '../site/flow-tests.ts'
import { loadSite } from '../site/load.ts'
import type { Site, SiteProblem } from '../site/site.ts'
import { checkFlow } from './known-flow.ts'
import { problemText } from './problem-text.ts'
import type { Terminal } from './terminal.ts'

export interface TestOptions extends FlowTestFilter {
  readonly json?: boolean
  /** A file for the report that build servers read. */
  readonly junit?: string
}

/** `lineside test`: carries the tests of a site's flows out; 0 where all of them pass, 1 where not, and where a file is wrong. Throws `usage.flow`. */
export async function test(folder: string, options: TestOptions, terminal: Terminal): Promise<number> {
  const loaded = await loadSite(folder, { environment: terminal.environment })
  const { site } = loaded
  if (site === undefined) return tellProblems(loaded.problems, folder, { options, terminal })
  if (options.flow !== undefined) checkFlow(site, options.flow)
  const { files, problems } = await loadFlowTests(site)
  if (problems.some(({ severity }) => severity === 'error')) return tellProblems(problems, folder, { options, terminal })
  const results: FlowTestResult[] = []
  for await (const result of runFlowTests(site, files, options)) {
    results.push(result)
    if (options.json !== true) terminal.out(resultText(result, folder))
  }
  if (options.junit !== undefined) await writeFile(options.junit, junitText(results))
  if (options.json === true) terminal.out(`${JSON.stringify({ isPassed: isGood(results), results: results.map(jsonOf) }, null, 2)}\n`)
  else terminal.out(summary(results, { none: noCase(site), untested: options.flow === undefined ? untested(site, files) : [] }))
  return isGood(results) ? 0 : 1
}

function isGood(results: readonly FlowTestResult[]): boolean {
  return results.length > 0 && results.every(({ isPassed }) => isPassed)
}

interface Telling {
  readonly options: TestOptions
  readonly terminal: Terminal
}

function tellProblems(problems: readonly SiteProblem[], folder: string, { options, terminal }: Telling): number {
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (options.json === true) terminal.out(`${JSON.stringify({ isPassed: false, problems: errors }, null, 2)}\n`)
  else terminal.out(errors.map((problem) => `${problemText(problem, folder)}\n`).join(''))
  return 1
}

function untested(site: Site, files: readonly { readonly tests: { readonly flow: string } }[]): readonly string[] {
  const tested = new Set(files.map(({ tests }) => tests.flow))
  return site.flows.map(({ flow }) => flow).filter((flow) => !tested.has(flow))
}

function resultText(result: FlowTestResult, folder: string): string {
  const { flow, name, isPassed, differences, story, file, line } = result
  const head = `${isPassed ? 'ok   ' : 'FAIL '} ${flow}  ${plain(name)}`
  if (isPassed) return `${head}\n`
  return [
    `${head}  ${join(folder, file)}:${line}`,
    ...differences.flatMap(({ what, expected, was }) => [`      ${what}`, ...valueLines('expected', expected), ...valueLines('was', was)]),
    '      what happened',
    ...story.map(({ atMs, text }) => `        ${`+${seconds(atMs)}`.padStart(10)}  ${plain(text)}`),
    '',
  ].join('\n')
}

/** A list has a line for each item: what is too many, missing or another one is seen at once. */
function valueLines(label: string, value: unknown): readonly string[] {
  const head = `        ${label.padEnd(10)}`
  if (!Array.isArray(value) || value.length < 2) return [head + plain(JSON.stringify(value) ?? 'nothing')]
  return value.map((item, place) => (place === 0 ? head : ' '.repeat(head.length)) + plain(JSON.stringify(item) ?? 'nothing'))
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`
}

function summary(
  results: readonly FlowTestResult[],
  { none, untested: without }: { readonly none: string; readonly untested: readonly string[] },
): string {
  const failed = results.filter(({ isPassed }) => !isPassed).length
  const tookMs = results.reduce((sum, result) => sum + result.tookMs, 0)
  const lastedMs = results.reduce((sum, result) => sum + result.lastedMs, 0)
  const counts = `${results.length} ${results.length === 1 ? 'case' : 'cases'}: ${results.length - failed} passed, ${failed} failed`
  const missing = without.length === 0 ? '' : `Without a test: ${without.join(', ')}.\n`
  return `${results.length === 0 ? none : ''}${counts}; ${hours(lastedMs)} of the plant in ${seconds(tookMs)}.\n${missing}`
}

/** Why nothing was carried out. */
function noCase({ folder }: Site): string {
  return `No case was found in ${join(folder, 'flows')}/*.test.yaml.\n`
}

function hours(ms: number): string {
  return ms >= 3_600_000 ? `${(ms / 3_600_000).toFixed(1)} h` : ms >= 60_000 ? `${(ms / 60_000).toFixed(1)} min` : seconds(ms)
}

function jsonOf({ story, ...result }: FlowTestResult): unknown {
  return result.isPassed ? result : { ...result, story }
}

/** As build servers read it. */
function junitText(results: readonly FlowTestResult[]): string {
  const suites = [...Map.groupBy(results, ({ file }) => file)].map(([file, cases]) => {
    const failures = cases.filter(({ isPassed }) => !isPassed).length
    return `  <testsuite name="${xml(file)}" tests="${cases.length}" failures="${failures}" time="${timeOf(cases)}">\n${cases.map(junitCase).join('')}  </testsuite>\n`
  })
  const failed = results.filter(({ isPassed }) => !isPassed).length
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${results.length}" failures="${failed}" time="${timeOf(results)}">\n${suites.join('')}</testsuites>\n`
}

function junitCase({ flow, name, file, line, tookMs, differences, story, isPassed }: FlowTestResult): string {
  const head = `    <testcase classname="${xml(flow)}" name="${xml(name)}" file="${xml(file)}" line="${line}" time="${(tookMs / 1_000).toFixed(3)}"`
  if (isPassed) return `${head}/>\n`
  const [first] = differences
  const text = [
    ...differences.map(({ what, expected, was }) => `${what}: expected ${JSON.stringify(expected)}, was ${JSON.stringify(was)}`),
    ...story.map(({ atMs, text: line }) => `+${seconds(atMs)} ${line}`),
  ].join('\n')
  return `${head}>\n      <failure message="${xml(first?.what ?? '')}">${xml(text)}</failure>\n    </testcase>\n`
}

function timeOf(results: readonly FlowTestResult[]): string {
  return (results.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1_000).toFixed(3)
}

function xml(text: string): string {
  return plain(text, '\n').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Nothing of a file may steer the terminal, or break the report. */
function plain(text: string, but = ''): string {
  return text.replaceAll(/\p{Cc}/gu, (one) => (one === but ? one : '�'))
}
