import { expect } from 'vitest'
import type { MonitorMetric, Witnessed } from '../../../support/sparkplug-monitor.ts'
import { countOf, edgeClient, type Scenario } from './scenario.ts'

/** What the judges look at. */
export interface Evidence {
  readonly live: Scenario
  readonly lost: Scenario
  readonly hosted: Scenario & { readonly second: Scenario }
}

type Judge = (evidence: Evidence) => void

const scenariosOf = ({ live, lost, hosted }: Evidence): readonly Scenario[] => [live, lost, hosted, hosted.second]

function messages({ seen }: Scenario, ...types: readonly string[]): readonly Witnessed[] {
  return seen.filter(({ type }) => types.includes(type))
}

/** Looks at every message of some types in every scenario; there must be some. */
const each =
  (types: readonly string[], check: (message: Witnessed) => void): Judge =>
  (evidence) => {
    const found = scenariosOf(evidence).flatMap((scenario) => messages(scenario, ...types))
    for (const type of types) expect(countOf(found, type)).toBeGreaterThan(0)
    for (const message of found) check(message)
  }

const eachMetric = (types: readonly string[], check: (metric: MonitorMetric, message: Witnessed) => void): Judge =>
  each(types, (message) => {
    for (const metric of message.payload.metrics) check(metric, message)
  })

/** PUBLISH packets of the edge node as the broker took them: `[qos, retain, topic]`. */
function published({ log }: Scenario): readonly (readonly [qos: string, retain: string, topic: string])[] {
  return log.flatMap((line) => {
    const [, client, qos, retain, topic] = /Received PUBLISH from (\S+) \(d\d, q(\d), r(\d), m\d+, '([^']*)'/.exec(line) ?? []
    return client === edgeClient ? [[qos ?? '', retain ?? '', topic ?? ''] as const] : []
  })
}

const qosAndRetain =
  (type: string, qos: string): Judge =>
  (evidence) => {
    const found = scenariosOf(evidence).flatMap((scenario) => published(scenario).filter(([, , topic]) => topic.includes(`/${type}/`)))
    expect(found.length).toBeGreaterThan(0)
    expect(found.filter(([q, r]) => q !== qos || r !== '0')).toEqual([])
  }

const topicShape = (type: string): Judge =>
  each([type], ({ topic }) =>
    expect(topic).toMatch(
      type.startsWith('N') ? /^spBv1\.0\/munich\/N[A-Z]+\/edge-07$/ : /^spBv1\.0\/munich\/D[A-Z]+\/edge-07\/(press-07|filler)$/,
    ),
  )

/** Sessions begin with the birth of the node; what was published before belongs to none. */
function sessionsOf({ seen }: Scenario): readonly (readonly Witnessed[])[] {
  const sessions: Witnessed[][] = []
  for (const message of seen.filter(({ type }) => type !== 'NCMD' && type !== 'DCMD' && type !== 'NDEATH')) {
    if (message.type === 'NBIRTH') sessions.push([])
    sessions.at(-1)?.push(message)
  }
  return sessions
}

const sequence: Judge = (evidence) => {
  for (const session of scenariosOf(evidence).flatMap(sessionsOf))
    expect(session.map(({ payload }) => payload.seq)).toEqual(session.map((_, place) => BigInt(place % 256)))
  expect(sessionsOf(evidence.live).some((session) => session.length > 257)).toBe(true) // it went round
}

/** Names that the births since the last one of the node have given to the aliases, before each message. */
function walkBirths(scenario: Scenario, visit: (message: Witnessed, names: ReadonlyMap<bigint, string>) => void): void {
  const names = new Map<bigint, string>()
  for (const message of scenario.seen) {
    if (message.type === 'NBIRTH') names.clear()
    if (message.type === 'DBIRTH') {
      for (const { alias, name } of message.payload.metrics) if (alias !== undefined) names.set(alias, `${message.device}/${name}`)
    }
    visit(message, names)
  }
}

function bdSeqOf({ payload }: Witnessed): bigint {
  const [metric] = payload.metrics.filter(({ name }) => name === 'bdSeq')
  if (typeof metric?.value !== 'bigint') throw new Error('no bdSeq')
  return metric.value
}

const now = (): bigint => BigInt(Date.now())
const isRecent = (moment: bigint | undefined): void => {
  expect(moment).toBeGreaterThan(now() - 600_000n)
  expect(moment).toBeLessThanOrEqual(now())
}

const brokerSays =
  (pattern: RegExp, check: (found: readonly string[]) => void): Judge =>
  (evidence) => {
    for (const { log } of scenariosOf(evidence)) check(log.filter((line) => pattern.test(line)))
  }

/** The births come before anything else of their session, and data after all births that are due. */
const birthsFirst: Judge = (evidence) => {
  for (const scenario of scenariosOf(evidence)) {
    expect(scenario.seen.filter(({ type }) => !type.endsWith('CMD'))[0]?.type).toBe('NBIRTH')
    for (const session of sessionsOf(scenario)) {
      const born = new Set<string | undefined>()
      for (const { type, device } of session) {
        if (type === 'DBIRTH') born.add(device)
        if (type === 'DDEATH') born.delete(device)
        if (type === 'DDATA') expect([...born]).toContain(device)
      }
    }
  }
}

const subscribed =
  (topic: string): Judge =>
  (evidence) => {
    for (const { log } of scenariosOf(evidence)) {
      const subscribe = log.findIndex((line) => line.includes(`${topic} (QoS 1)`))
      const publish = log.findIndex((line) => line.includes(`Received PUBLISH from ${edgeClient}`))
      expect(subscribe).toBeGreaterThan(0)
      expect(subscribe).toBeLessThan(publish)
    }
  }

const rebirth: Judge = ({ live }) => {
  const after = live.seen.slice(live.marks['rebirth'])
  const asked = after.findIndex(({ type }) => type === 'NCMD')
  const nodes = messages(live, 'NBIRTH')
  expect(nodes).toHaveLength(2)
  const [first, second] = nodes
  expect(first && second && bdSeqOf(first) === bdSeqOf(second)).toBe(true)
  expect(after.slice(asked + 1, asked + 4).map(({ type }) => type)).toEqual(['NBIRTH', 'DBIRTH', 'DBIRTH'])
}

const deathsMatch: Judge = ({ live, lost, hosted }) => {
  for (const scenario of [live, lost, hosted]) {
    let born: bigint | undefined
    for (const message of messages(scenario, 'NBIRTH', 'NDEATH')) {
      if (message.type === 'NBIRTH') born = bdSeqOf(message)
      else expect(bdSeqOf(message)).toBe(born)
    }
  }
  expect(countOf(lost.seen, 'NDEATH')).toBe(2)
}

const goodbye: Judge = ({ live }) => {
  expect(live.seen.at(-1)?.type).toBe('NDEATH')
  const death = live.log.findIndex((line) => line.includes(`Received PUBLISH from ${edgeClient}`) && line.includes('/NDEATH/'))
  const disconnect = live.log.findIndex((line) => line.includes(`Received DISCONNECT from ${edgeClient}`))
  expect(death).toBeGreaterThan(0)
  expect(disconnect).toBeGreaterThan(death)
}

const hostWait: Judge = ({ hosted }) => {
  expect(hosted.marks['waited']).toBe(0)
  expect(published(hosted)[0]?.[2]).toBe('spBv1.0/munich/NBIRTH/edge-07')
}

const hostGone: Judge = ({ hosted }) => {
  expect(hosted.seen.at(-1)?.type).toBe('NDEATH')
  expect(hosted.log.some((line) => line.includes(`Received DISCONNECT from ${edgeClient}`))).toBe(true)
  expect(hosted.second.seen[0]?.type).toBe('NBIRTH')
}

const quality = (metric: MonitorMetric): { readonly type?: bigint; readonly value: unknown } | undefined => metric.properties?.['Quality']

const isTyped = ({ datatype }: MonitorMetric): void => {
  expect(datatype).toBeGreaterThan(0n)
  expect(datatype).toBeLessThan(35n)
}

const births = ['NBIRTH', 'DBIRTH']
const data = ['DDATA']
const sequenced = ['NBIRTH', 'DBIRTH', 'DDATA', 'DDEATH']

const clientLine = new RegExp(`New client connected from \\S+ as ${edgeClient} `)
const willMatches: Judge = (evidence) => {
  brokerSays(clientLine, (found) => expect(found.length).toBeGreaterThan(0))(evidence)
  brokerSays(/Will message specified/, (found) => expect(found.length).toBeGreaterThan(0))(evidence)
  brokerSays(/\tspBv1\.0\/munich\/NDEATH\/edge-07$/, (found) => expect(found.length).toBeGreaterThan(0))(evidence)
  expect(evidence.lost.seen.slice(evidence.lost.marks['cut']).some(({ type }) => type === 'NDEATH')).toBe(true)
}
const willFlags: Judge = brokerSays(/Will message specified/, (found) => {
  for (const line of found) expect(line).toContain('(r0, q1)')
})

const dataOrder: Judge = (evidence) => {
  for (const scenario of scenariosOf(evidence)) {
    const last = new Map<string, bigint>()
    walkBirths(scenario, ({ type, payload }, names) => {
      if (type === 'NBIRTH') last.clear()
      for (const { alias, timestamp, isHistorical } of type === 'DDATA' ? payload.metrics : []) {
        const name = names.get(alias ?? -1n) ?? ''
        if (isHistorical || timestamp === undefined || name.endsWith('Last Command')) continue
        expect(timestamp).toBeGreaterThanOrEqual(last.get(name) ?? 0n)
        last.set(name, timestamp)
      }
    })
  }
}

/** Every value that is not in a birth is a change: no two of one tag with the same time. */
const changesOnly: Judge = ({ live }) => {
  walkBirths(live, () => {})
  const told = messages(live, 'DDATA').flatMap(({ payload }) =>
    payload.metrics.map(({ alias, timestamp, isHistorical }) => `${alias} ${timestamp} ${isHistorical}`),
  )
  expect(new Set(told).size).toBe(told.length)
}

const announced: Judge = (evidence) => {
  for (const scenario of scenariosOf(evidence)) {
    walkBirths(scenario, ({ type, payload, device }, names) => {
      if (type !== 'DDATA') return
      for (const { alias, name } of payload.metrics) {
        expect(name).toBeUndefined()
        expect(names.get(alias ?? -1n)).toMatch(new RegExp(`^${device}/`))
      }
    })
  }
}

const aliasesUnique: Judge = (evidence) => {
  for (const session of scenariosOf(evidence).flatMap(sessionsOf)) {
    const owner = new Map<bigint, string>()
    for (const { type, device, payload } of session) {
      for (const { alias, name } of type === 'DBIRTH' ? payload.metrics : []) {
        if (alias === undefined) continue
        expect(owner.get(alias) ?? `${device}/${name}`).toBe(`${device}/${name}`)
        owner.set(alias, `${device}/${name}`)
      }
    }
  }
}

const deviceDeath: Judge = ({ live }) => {
  const [death] = messages(live, 'DDEATH')
  expect(death).toMatchObject({ device: 'press-07' })
  const meanwhile = live.seen.slice(live.marks['lost'], live.marks['back'])
  expect(meanwhile.slice(meanwhile.findIndex(({ type }) => type === 'DDEATH') + 1).filter(({ device }) => device === 'press-07')).toEqual(
    [],
  )
}

/** Ids of Sparkplug B 3.0 (without `tck-id-`), by what shows that they are kept. */
const groups: readonly (readonly [ids: string, judge: Judge])[] = [
  [
    'intro-group-id-string intro-group-id-chars intro-edge-node-id-string intro-edge-node-id-chars intro-device-id-string intro-device-id-chars topic-structure-namespace-valid-group-id topic-structure-namespace-valid-edge-node-id topic-structure-namespace-valid-device-id topic-structure topic-structure-namespace-a topic-structure-namespace-device-id-associated-message-types topic-structure-namespace-device-id-non-associated-message-types',
    (evidence) => {
      for (const type of ['NBIRTH', 'NDEATH', 'DBIRTH', 'DDATA', 'DDEATH']) topicShape(type)(evidence)
    },
  ],
  ['topics-nbirth-topic message-flow-edge-node-birth-publish-nbirth-topic', topicShape('NBIRTH')],
  ['topics-ndeath-topic', topicShape('NDEATH')],
  [
    'topics-dbirth-topic message-flow-device-birth-publish-dbirth-topic message-flow-device-birth-publish-dbirth-match-edge-node-topic',
    topicShape('DBIRTH'),
  ],
  ['topics-ddata-topic', topicShape('DDATA')],
  ['topics-ddeath-topic', topicShape('DDEATH')],
  [
    'topics-nbirth-mqtt payloads-nbirth-qos payloads-nbirth-retain message-flow-edge-node-birth-publish-nbirth-qos message-flow-edge-node-birth-publish-nbirth-retained',
    qosAndRetain('NBIRTH', '0'),
  ],
  [
    'topics-dbirth-mqtt payloads-dbirth-qos payloads-dbirth-retain message-flow-device-birth-publish-dbirth-qos message-flow-device-birth-publish-dbirth-retained',
    qosAndRetain('DBIRTH', '0'),
  ],
  ['topics-ddata-mqtt payloads-ddata-qos payloads-ddata-retain', qosAndRetain('DDATA', '0')],
  ['topics-ddeath-mqtt', qosAndRetain('DDEATH', '0')],
  ['message-flow-edge-node-ncmd-subscribe', subscribed('spBv1.0/munich/NCMD/edge-07')],
  ['message-flow-device-dcmd-subscribe', subscribed('spBv1.0/munich/DCMD/edge-07/+')],
  [
    'principles-persistence-clean-session-311',
    brokerSays(clientLine, (found) => {
      expect(found.length).toBeGreaterThan(0)
      for (const line of found) expect(line).toContain('(p2, c1,')
    }),
  ],
  [
    'message-flow-edge-node-birth-publish-connect message-flow-edge-node-birth-publish-will-message message-flow-edge-node-birth-publish-will-message-topic message-flow-edge-node-birth-publish-will-message-payload payloads-ndeath-will-message',
    willMatches,
  ],
  [
    'payloads-ndeath-will-message-qos payloads-ndeath-will-message-retain message-flow-edge-node-birth-publish-will-message-qos message-flow-edge-node-birth-publish-will-message-will-retained',
    willFlags,
  ],
  [
    'operational-behavior-edge-node-intentional-disconnect-ndeath operational-behavior-edge-node-intentional-disconnect-packet payloads-ndeath-will-message-publisher payloads-ndeath-will-message-publisher-disconnect-mqtt311',
    goodbye,
  ],
  [
    'principles-birth-certificates-order payloads-dbirth-order payloads-ddata-order message-flow-device-birth-publish-nbirth-wait',
    birthsFirst,
  ],
  ['topics-nbirth-bdseq-increment', ({ lost }) => expect(messages(lost, 'NBIRTH').map(bdSeqOf)).toEqual([0n, 1n, 2n])],
  [
    'topics-nbirth-bdseq-included payloads-nbirth-bdseq payloads-nbirth-bdseq-repeat',
    each(['NBIRTH'], (message) => expect(bdSeqOf(message)).toBeTypeOf('bigint')),
  ],
  [
    'topics-nbirth-bdseq-matching payloads-ndeath-bdseq message-flow-edge-node-birth-publish-will-message-payload-bdSeq message-flow-edge-node-birth-publish-nbirth-payload-bdSeq',
    deathsMatch,
  ],
  ['topics-ndeath-payload', each(['NDEATH'], ({ payload }) => expect(payload.metrics.map(({ name }) => name)).toEqual(['bdSeq']))],
  ['topics-ndeath-seq payloads-ndeath-seq', each(['NDEATH'], ({ payload }) => expect(payload.seq).toBeUndefined())],
  [
    'payloads-sequence-num-always-included topics-ddata-seq-num payloads-ddata-seq topics-dbirth-seq payloads-dbirth-seq topics-ddeath-seq-num payloads-ddeath-seq payloads-ddeath-seq-number',
    each(sequenced, ({ payload }) => expect(payload.seq).toBeTypeOf('bigint')),
  ],
  [
    'topics-nbirth-seq-num payloads-nbirth-seq payloads-sequence-num-req-nbirth message-flow-edge-node-birth-publish-nbirth-payload-seq',
    each(['NBIRTH'], ({ payload }) => expect(payload.seq).toBe(0n)),
  ],
  [
    'payloads-sequence-num-incrementing payloads-dbirth-seq-inc payloads-ddata-seq-inc payloads-ddeath-seq-inc message-flow-device-birth-publish-dbirth-payload-seq',
    sequence,
  ],
  ['operational-behavior-data-publish-nbirth-order operational-behavior-data-publish-dbirth-order', dataOrder],
  [
    'topics-nbirth-timestamp payloads-nbirth-timestamp topics-dbirth-timestamp payloads-dbirth-timestamp topics-ddata-timestamp payloads-ddata-timestamp payloads-ddeath-timestamp payloads-timestamp-in-UTC',
    each(sequenced, ({ payload }) => isRecent(payload.timestamp)),
  ],
  [
    'payloads-name-birth-data-requirement payloads-metric-timestamp-in-UTC',
    eachMetric([...births, ...data], ({ timestamp, name }) => {
      if (name === 'Device Control/Last Command') expect(timestamp).toBeTypeOf('bigint')
      else isRecent(timestamp)
    }),
  ],
  [
    'topics-nbirth-metric-reqs topics-nbirth-metrics topics-dbirth-metric-reqs topics-dbirth-metrics operational-behavior-data-publish-nbirth operational-behavior-data-publish-dbirth',
    (evidence) => {
      announced(evidence)
      eachMetric(births, ({ name, datatype, value, isNull }) => {
        expect(name).toBeTypeOf('string')
        expect(datatype).toBeTypeOf('bigint')
        expect(value === undefined).toBe(isNull)
      })(evidence)
    },
  ],
  [
    'operational-behavior-data-publish-nbirth-values operational-behavior-data-publish-dbirth-values',
    (evidence) => {
      eachMetric(births, ({ value, isNull }) => expect(value === undefined).toBe(isNull))(evidence)
      expect(
        messages(evidence.live, 'DBIRTH').some(({ payload }) => payload.metrics.some(({ name, isNull }) => name === 'level' && isNull)),
      ).toBe(true)
    },
  ],
  [
    'topics-ddata-payload operational-behavior-data-publish-nbirth-change operational-behavior-data-publish-dbirth-change principles-rbe-recommended',
    changesOnly,
  ],
  ['operational-behavior-device-ddeath', deviceDeath],
  [
    'message-flow-edge-node-birth-publish-nbirth-payload message-flow-device-birth-publish-dbirth-payload',
    (evidence) => {
      for (const { unreadable } of scenariosOf(evidence)) expect(unreadable).toEqual([])
    },
  ],
  ['payloads-alias-uniqueness', aliasesUnique],
  [
    'payloads-alias-birth-requirement',
    eachMetric(['DBIRTH'], ({ name, alias }) => {
      expect(name).toBeTypeOf('string')
      expect(alias).toBeTypeOf('bigint')
    }),
  ],
  ['payloads-alias-data-cmd-requirement payloads-name-requirement', announced],
  [
    'operational-behavior-data-commands-rebirth-name-aliases',
    each(['NBIRTH'], ({ payload }) => expect(payload.metrics.find(({ name }) => name === 'Node Control/Rebirth')?.alias).toBeUndefined()),
  ],
  [
    'topics-nbirth-rebirth-metric payloads-nbirth-rebirth-req operational-behavior-data-commands-rebirth-name operational-behavior-data-commands-rebirth-datatype operational-behavior-data-commands-rebirth-value',
    each(['NBIRTH'], ({ payload }) =>
      expect(payload.metrics.find(({ name }) => name === 'Node Control/Rebirth')).toMatchObject({
        datatype: 11n,
        valueField: 14,
        value: 0n,
      }),
    ),
  ],
  [
    'operational-behavior-data-commands-rebirth-action-1 operational-behavior-data-commands-rebirth-action-2 operational-behavior-data-commands-rebirth-action-3',
    rebirth,
  ],
  [
    'message-flow-edge-node-birth-publish-phid-wait message-flow-edge-node-birth-publish-phid-wait-id message-flow-edge-node-birth-publish-phid-wait-online message-flow-edge-node-birth-publish-phid-wait-timestamp operational-behavior-edge-node-birth-sequence-wait',
    hostWait,
  ],
  [
    'message-flow-edge-node-birth-publish-phid-offline operational-behavior-edge-node-termination-host-offline operational-behavior-edge-node-termination-host-offline-reconnect operational-behavior-primary-application-state-with-multiple-servers-walk',
    hostGone,
  ],
  [
    'operational-behavior-edge-node-termination-host-offline-timestamp',
    ({ hosted }) => expect(countOf(hosted.seen.slice(0, hosted.marks['ignored']), 'NDEATH')).toBe(0),
  ],
  [
    'operational-behavior-primary-application-state-with-multiple-servers-single-server',
    ({ hosted }) => {
      const left = hosted.seen.length
      expect(hosted.seen.slice(0, left).at(-1)?.type).toBe('NDEATH')
      expect(hosted.second.log.filter((line) => clientLine.test(line)).length).toBeGreaterThan(0)
    },
  ],
  ['payloads-metric-datatype-value-type payloads-metric-datatype-value payloads-metric-datatype-req', eachMetric(births, isTyped)],
  ['payloads-metric-datatype-not-req', eachMetric(data, ({ datatype }) => expect(datatype).toBeUndefined())],
  [
    'payloads-propertyset-keys-array-size payloads-propertyset-values-array-size',
    eachMetric(['DBIRTH'], ({ properties, name }) => expect(name === 'Device Control/Last Command' || properties !== undefined).toBe(true)),
  ],
  [
    'payloads-metric-propertyvalue-type-type payloads-metric-propertyvalue-type-value payloads-metric-propertyvalue-type-req',
    eachMetric(['DBIRTH'], ({ properties }) => {
      for (const { type } of Object.values(properties ?? {}))
        isTyped({ isHistorical: false, isNull: false, ...(type === undefined ? {} : { datatype: type }) })
    }),
  ],
  [
    'payloads-propertyset-quality-value-type payloads-propertyset-quality-value-value',
    eachMetric([...births, ...data], (metric) => {
      const property = quality(metric)
      if (property === undefined) return
      expect(property.type).toBe(3n)
      expect([0n, 192n, 500n]).toContain(property.value)
    }),
  ],
]

export const judges: ReadonlyMap<string, Judge> = new Map(
  groups.flatMap(([ids, judge]) => ids.split(' ').map((id) => [id, judge] as const)),
)
