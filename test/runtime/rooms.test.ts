import { describe, expect, it } from 'vitest'
import { roomData } from '../../src/runtime/rooms.ts'
import { goodSite, loadFiles } from '../site/site-folder.ts'

const upstreams = `upstreams:
  scada: { url: "mqtt://127.0.0.1:1", format: sparkplug, sparkplug: { group: munich } }
  plant: { url: "mqtt://127.0.0.1:1", format: uns }
`

describe('what control is told of an upstream', () => {
  it('says of Sparkplug alone that it takes tags only, with the filters that it has by default', async () => {
    const { site, problems } = await loadFiles({ ...goodSite, 'lineside.yaml': `${goodSite['lineside.yaml']}${upstreams}` })
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
    if (site === undefined) throw new Error('no site')
    expect(roomData(site).control).toMatchObject({
      upstreams: { scada: { send: ['#'], takesTagsOnly: true }, plant: { send: ['#'], takesTagsOnly: false } },
    })
  })
})
