import { describe, expect, it } from 'vitest'
import { siteYaml } from '../../site/site-folder.ts'
import { inTime } from './in-time.ts'

const starts = (count: number): string => Array.from({ length: count }, () => '{ after: 100ms, start: {} }').join(', ')

function oneFlow(step: string) {
  return {
    'flows/poke.yaml': `flow: poke\non: [{ start: operator }]\nsteps:\n  - id: poke\n    ${step}\n`,
    'lineside.yaml': `${siteYaml}services: { mes: { url: "http://127.0.0.1:9" } }\n`,
  }
}

const head = 'flow: poke\ntags: { press-07/hydraulics/pressure: 5 }\ncases:\n'

describe('a partner of flows that is away', () => {
  it('is left alone after some failures, with an event, and tried again: a device', async () => {
    const read = oneFlow('read: { tags: [press-07/hydraulics/pressure] }')
    const away = `${head}  - name: away
    devices: { press-07: away }
    do: [${starts(6)}]
    expect: { runs: 6, state: failed, fault: { step: poke, code: flow.breaker-open }, events: [{ type: breaker.opened, subject: device press-07 }] }
  - name: back
    devices: { press-07: away }
    do: [${starts(6)}, { after: 1s, devices: { press-07: here } }, { after: 2s, start: {} }]
    expect: { runs: 7, state: completed, events: [{ type: breaker.opened }, { type: breaker.closed, subject: device press-07 }] }
`
    expect(await inTime(read, away)).toEqual([])
  })

  it('is left alone after some failures, with an event, and tried again: a service', async () => {
    const ask = oneFlow('request: { service: mes, path: /a }')
    const failing = Array.from({ length: 5 }, () => '{ status: 503 }').join(', ')
    const away = `${head}  - name: away
    services: { mes: [${failing}, { status: 200 }] }
    do: [${starts(6)}, { after: 2s, start: {} }]
    expect: { runs: 7, state: completed, events: [{ type: breaker.opened, subject: service mes }, { type: breaker.closed }] }
  - name: alone
    services: { mes: [${failing}, { status: 200 }] }
    do: [${starts(6)}]
    expect: { state: failed, fault: { code: flow.breaker-open } }
`
    expect(await inTime(ask, away)).toEqual([])
  })
})
