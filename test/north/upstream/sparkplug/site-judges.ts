import { expect } from 'vitest'
import { deviceYaml, type Files, problemsOf, siteYaml } from '../../../site/site-folder.ts'

const upstream = (group: string): string => `{ url: "mqtt://broker.example", format: sparkplug, sparkplug: { group: ${group} } }`

async function warns(code: string, files: Files): Promise<void> {
  const problems = await problemsOf({ 'lineside.yaml': siteYaml, ...files })
  expect(problems.filter((problem) => problem.endsWith(` ${code}`))).toHaveLength(1)
}

/** What the site's files say is judged where they are checked. */
export const siteJudges: ReadonlyMap<string, () => Promise<void>> = new Map([
  [
    'case-sensitivity-sparkplug-ids',
    async () => {
      const upstreams = `upstreams:\n  a: ${upstream('munich')}\n  b: ${upstream('Munich')}\n`
      await warns('sparkplug.twin', { 'lineside.yaml': `${siteYaml}${upstreams}` })
      await warns('device.case-twin', { 'devices/a.yaml': deviceYaml, 'devices/b.yaml': deviceYaml.replace('press-07', 'PRESS-07') })
    },
  ],
  [
    'case-sensitivity-metric-names',
    async () => {
      const twin = '  Motor/running: { at: hr:41.3, type: bool }\n'
      await warns('tag.case-twin', { 'devices/a.yaml': `${deviceYaml}${twin}` })
    },
  ],
])
