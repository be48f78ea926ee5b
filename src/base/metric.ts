/** One number a part shows, as Prometheus names it: counters end in `_total`, units stand in the name. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Which of a histogram's numbers it is; stands behind the name. */
  readonly part?: '_bucket' | '_sum' | '_count'
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

/** The Prometheus text format 0.0.4; rows of one name are put together whatever thread they come from. */
export function prometheusText(metrics: readonly Metric[]): string {
  const families = Map.groupBy(metrics, (metric) => metric.name)
  return [...families].map(([name, rows]) => familyText(name, rows)).join('')
}

function familyText(name: string, rows: readonly Metric[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const head = `# HELP ${name} ${first.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${first.type}\n`
  return head + rows.map((row) => `${name}${row.part ?? ''}${labelText(row.labels ?? {})} ${row.value}\n`).join('')
}

function labelText(labels: Readonly<Record<string, string>>): string {
  let pairs = ''
  for (const label in labels) pairs += `${pairs === '' ? '{' : ','}${label}="${escapeLabel(labels[label] ?? '')}"`
  return pairs === '' ? '' : `${pairs}}`
}

const escaped = /[\\"\n]/

function escapeLabel(value: string): string {
  if (!escaped.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
