import { expect } from 'vitest'
import type { MonitorMetric, MonitorTemplate, Witnessed } from '../../../support/sparkplug-monitor.ts'
import type { Scenario } from './scenario.ts'

type Judge = (life: Scenario) => void

interface Seen {
  readonly message: Witnessed
  readonly metric: MonitorMetric
  readonly template: MonitorTemplate
}

const templates = ({ seen }: Scenario): readonly Seen[] =>
  seen.flatMap((message) =>
    message.payload.metrics.flatMap((metric) => (metric.template === undefined ? [] : [{ message, metric, template: metric.template }])),
  )
const definitions = (life: Scenario): readonly Seen[] => templates(life).filter(({ template }) => template.isDefinition === 1n)
/** Commands of the host are not the edge node's. */
const instances = (life: Scenario): readonly Seen[] =>
  templates(life).filter(({ message, template }) => template.isDefinition !== 1n && message.type !== 'DCMD')

const members = ({ template }: Seen): readonly (string | undefined)[] => template.metrics.map(({ name }) => name)

const groups: readonly (readonly [ids: string, judge: Judge])[] = [
  [
    'topics-nbirth-templates payloads-template-definition-nbirth payloads-template-definition-nbirth-only',
    (life) => {
      expect(definitions(life).map(({ message, metric }) => [message.type, metric.name, metric.datatype])).toEqual([
        ['NBIRTH', 'Recipe', 19n],
        ['NBIRTH', 'Recipe', 19n],
      ])
      // Before whatever refers to it.
      expect(life.seen.indexOf((definitions(life)[0] as Seen).message)).toBeLessThan(
        life.seen.indexOf((instances(life)[0] as Seen).message),
      )
    },
  ],
  [
    'payloads-template-definition-is-definition payloads-template-is-definition payloads-template-is-definition-definition',
    (life) => {
      for (const { template } of definitions(life)) expect(template.isDefinition).toBe(1n)
    },
  ],
  [
    'payloads-template-definition-ref payloads-template-ref-definition',
    (life) => {
      for (const { template } of definitions(life)) expect(template.ref).toBeUndefined()
    },
  ],
  [
    'payloads-template-definition-members',
    (life) => {
      for (const { template } of definitions(life)) {
        expect(template.metrics.map(({ name, datatype }) => [name, datatype])).toEqual([
          ['setpoint', 10n],
          ['name', 12n],
        ])
      }
    },
  ],
  [
    'payloads-template-instance-is-definition payloads-template-is-definition-instance',
    (life) => {
      expect(instances(life).length).toBeGreaterThan(3)
      for (const { template } of instances(life)) expect(template.isDefinition).toBe(0n)
    },
  ],
  [
    'payloads-template-instance-ref payloads-template-ref-instance',
    (life) => {
      for (const { template } of instances(life)) expect(template.ref).toBe('Recipe')
    },
  ],
  [
    'payloads-template-instance-members',
    (life) => {
      for (const seen of instances(life)) expect(['setpoint', 'name']).toEqual(expect.arrayContaining([...members(seen)]))
    },
  ],
  [
    'payloads-template-instance-members-birth',
    (life) => {
      const births = instances(life).filter(({ message }) => message.type === 'DBIRTH')
      expect(births.map(({ metric }) => metric.name)).toEqual(['recipe', 'recipe'])
      for (const seen of births) expect(members(seen)).toEqual(['setpoint', 'name'])
    },
  ],
  [
    'payloads-template-instance-members-data',
    (life) => {
      const alias = instances(life).find(({ message }) => message.type === 'DBIRTH')?.metric.alias
      const data = instances(life).filter(({ message }) => message.type === 'DDATA')
      for (const { metric } of data) expect([metric.alias, metric.name]).toEqual([alias, undefined])
      expect(data[0]?.template.metrics).toMatchObject([{ name: 'setpoint', value: 7 }])
      expect(data.some(({ metric, template }) => metric.isHistorical && template.metrics[0]?.value === 8)).toBe(true)
    },
  ],
  [
    'payloads-template-version',
    (life) => {
      for (const { template } of templates(life)) expect(template.version).toBeUndefined() // of both alike, as it must be
    },
  ],
]

export const templateJudges: ReadonlyMap<string, Judge> = new Map(
  groups.flatMap(([ids, judge]) => ids.split(' ').map((id) => [id, judge] as const)),
)
