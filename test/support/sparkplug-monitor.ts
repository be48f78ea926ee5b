import mqtt from 'mqtt'

/** A passive witness of Sparkplug B on a broker. It shares no code with src: its own reading of Protocol Buffers, by the field numbers of the specification. */
export interface Witnessed {
  readonly topic: string
  /** NBIRTH, DDATA, … */
  readonly type: string
  readonly device?: string
  readonly qos: number
  readonly isRetained: boolean
  readonly payload: MonitorPayload
}

export interface MonitorPayload {
  readonly timestamp?: bigint
  readonly seq?: bigint
  readonly metrics: readonly MonitorMetric[]
}

export interface MonitorMetric {
  readonly name?: string
  readonly alias?: bigint
  readonly timestamp?: bigint
  readonly datatype?: bigint
  readonly isHistorical: boolean
  readonly isNull: boolean
  readonly properties?: Readonly<Record<string, { readonly type?: bigint; readonly value: unknown }>>
  /** Number of the field that holds the value. */
  readonly valueField?: number
  readonly value?: bigint | number | string | Buffer
  readonly template?: MonitorTemplate
}

export interface MonitorTemplate {
  readonly metrics: readonly MonitorMetric[]
  readonly parameters: number
  readonly ref?: string
  readonly isDefinition?: bigint
  readonly version?: string
}

interface Field {
  readonly number: number
  readonly wire: number
  readonly varint: bigint
  readonly bytes: Buffer
}

function fieldsOf(bytes: Buffer): readonly Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at)
      at += 1
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const wire = key & 7
    const value = wire === 0 ? varint() : 0n
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(varint()) : 0
    if (at + length > bytes.length) throw new Error('truncated')
    fields.push({ number: key >> 3, wire, varint: value, bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return fields
}

function one(fields: readonly Field[], number: number): Field | undefined {
  const found = fields.filter((field) => field.number === number)
  if (found.length > 1) throw new Error(`field ${number} comes ${found.length} times`)
  return found[0]
}

function readMonitorPayload(bytes: Buffer): MonitorPayload {
  const fields = fieldsOf(bytes)
  const timestamp = one(fields, 1)?.varint
  const seq = one(fields, 3)?.varint
  return {
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(seq === undefined ? {} : { seq }),
    metrics: fields.filter(({ number }) => number === 2).map(({ bytes: metric }) => readMetric(fieldsOf(metric))),
  }
}

function readMetric(fields: readonly Field[]): MonitorMetric {
  const values = fields.filter(({ number }) => number >= 10 && number <= 19)
  if (values.length > 1) throw new Error('a metric has more than one value')
  const properties = one(fields, 9)
  return {
    ...optional('name', one(fields, 1)?.bytes.toString()),
    ...optional('alias', one(fields, 2)?.varint),
    ...optional('timestamp', one(fields, 3)?.varint),
    ...optional('datatype', one(fields, 4)?.varint),
    isHistorical: one(fields, 5)?.varint === 1n,
    isNull: one(fields, 7)?.varint === 1n,
    ...optional('properties', properties && readProperties(fieldsOf(properties.bytes))),
    ...optional('valueField', values[0]?.number),
    ...optional('value', values[0] && scalarOf(values[0], values[0].number - 10)),
    ...optional('template', values[0]?.number === 18 ? readTemplate(fieldsOf(values[0].bytes)) : undefined),
  }
}

function readTemplate(fields: readonly Field[]): MonitorTemplate {
  return {
    ...optional('version', one(fields, 1)?.bytes.toString()),
    metrics: fields.filter(({ number }) => number === 2).map(({ bytes }) => readMetric(fieldsOf(bytes))),
    parameters: fields.filter(({ number }) => number === 3).length,
    ...optional('ref', one(fields, 4)?.bytes.toString()),
    ...optional('isDefinition', one(fields, 5)?.varint),
  }
}

function readProperties(fields: readonly Field[]): NonNullable<MonitorMetric['properties']> {
  const keys = fields.filter(({ number }) => number === 1).map(({ bytes }) => bytes.toString())
  const values = fields.filter(({ number }) => number === 2).map(({ bytes }) => fieldsOf(bytes))
  if (keys.length !== values.length) throw new Error('keys and values of a property set differ in number')
  return Object.fromEntries(
    keys.map((key, place) => {
      const value = values[place]?.find(({ number }) => number >= 3)
      const type = one(values[place] ?? [], 1)?.varint
      return [key, { ...optional('type', type), value: value && scalarOf(value, value.number - 3) }]
    }),
  )
}

function scalarOf({ varint, bytes }: Field, place: number): bigint | number | string | Buffer {
  if (place === 2) return bytes.readFloatLE()
  if (place === 3) return bytes.readDoubleLE()
  if (place === 5) return bytes.toString()
  return place === 0 || place === 1 || place === 4 ? varint : bytes
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value })
}

export interface Monitor extends AsyncDisposable {
  readonly seen: readonly Witnessed[]
  /** What it could not read. */
  readonly unreadable: readonly string[]
}

export async function startMonitor(port: number): Promise<Monitor> {
  const seen: Witnessed[] = []
  const unreadable: string[] = []
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: `monitor-${port}`, reconnectPeriod: 50 })
  client.on('message', (topic, bytes, { qos, retain }) => {
    const [, , type = '', , device] = topic.split('/')
    if (!/^[ND](?:BIRTH|DATA|DEATH|CMD)$/.test(type)) return
    try {
      seen.push({ topic, type, ...(device === undefined ? {} : { device }), qos, isRetained: retain, payload: readMonitorPayload(bytes) })
    } catch (error) {
      unreadable.push(`${topic}: ${String(error)}`)
    }
  })
  await client.subscribeAsync('spBv1.0/#', { qos: 2 })
  return { seen, unreadable, [Symbol.asyncDispose]: () => client.endAsync(true) }
}
