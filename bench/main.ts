import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endSoon } from './end.ts'
import { type Measure, markdown, type Report, renewed, reportOf, rowOf, table } from './report.ts'

export interface BenchOptions {
  /** One short round of the smallest sizes: does the bench work? Its numbers say nothing. */
  readonly isSmoke: boolean
  /** Parts of the bench that are wanted, by name; absent: all. */
  readonly only?: readonly string[]
  /** How long the benches of flat memory go on; absent: a short form. */
  readonly minutes?: number
  /** Progress, on standard error. */
  say(text: string): void
}

type Bench = (options: BenchOptions) => Promise<readonly Measure[]>

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  flows: async () => (await import('./flows/bench.ts')).benchFlows,
  line: async () => (await import('./line/bench.ts')).benchLine,
  mqtt: async () => (await import('./mqtt/bench.ts')).benchMqtt,
  south: async () => (await import('./south/bench.ts')).benchSouth,
}

const usage = `npm run bench [NAME…] -- [--json] [--smoke] [--record]
  NAME      ${Object.keys(benches).join(', ')} (default: all)
  --json    one object on standard output instead of a table
  --only    parts of it, with commas between them
  --minutes how long flat memory is watched (60 for the hour that is asked)
  --smoke   one short round of the smallest size
  --record  writes the table to bench/RESULTS.md; with --only, its rows into the table that stands there`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      smoke: { type: 'boolean' },
      record: { type: 'boolean' },
      help: { type: 'boolean' },
      only: { type: 'string' },
      minutes: { type: 'string' },
    },
  })
  const names = positionals.length === 0 ? Object.keys(benches) : positionals
  if (values.help || names.some((name) => !Object.hasOwn(benches, name))) {
    process.stderr.write(`${usage}\n`)
    return values.help ? 0 : 2
  }
  const options: BenchOptions = {
    isSmoke: values.smoke ?? false,
    ...(values.only === undefined ? {} : { only: values.only.split(',') }),
    ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
    say: (text) => process.stderr.write(`${text}\n`),
  }
  const measures: Measure[] = []
  for (const name of names) measures.push(...((await (await benches[name]?.())?.(options)) ?? []))
  const command = `npm run bench ${names.join(' ')}${options.isSmoke ? ' -- --smoke' : ''}`
  const report = reportOf(measures.map(rowOf), command)
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${report.machine}\n${report.date}\n\n${table(report.rows)}\n`)
  if (values.record) record(names, report, options)
  return report.rows.every((row) => row.met !== false) ? 0 : 1
}

/** Fills the part of RESULTS.md between the markers of these benches. */
function record(names: readonly string[], report: Report, { only }: BenchOptions): void {
  const file = join(import.meta.dirname, 'RESULTS.md')
  const marker = names.join(' ')
  const part = new RegExp(`(<!-- begin ${marker} -->)([^]*?)(<!-- end ${marker} -->)`)
  const text = readFileSync(file, 'utf8')
  if (!part.test(text)) throw new Error(`RESULTS.md has no part for "${marker}"`)
  const fill = (_: string, begin: string, before: string, end: string): string =>
    `${begin}\n${only === undefined ? markdown(report) : renewed(before, markdown(report))}\n${end}`
  writeFileSync(file, text.replace(part, fill))
}

process.exitCode = await main()
endSoon()
