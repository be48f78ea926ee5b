/** What makes the peer's address space rich: structures of its own, a matrix, an enumeration, methods, events and an alarm. */
import { type AddressSpace, ensureDatatypeExtracted, type Namespace, type UADataType, type UAObject } from 'node-opcua-address-space'
import { coerceNodeId, DataValue, NodeId } from 'node-opcua-client'
import { StatusCodes } from 'node-opcua-status-code'
import { DataType, Variant, VariantArrayType } from 'node-opcua-variant'

export interface Rich {
  trip(message: string): void
  reset(): void
  tell(message: string): void
}

export interface RichContext {
  readonly addressSpace: AddressSpace
  readonly namespace: Namespace
  readonly line: UAObject
}

export async function makeRich(context: RichContext): Promise<Rich> {
  context.addressSpace.installAlarmsAndConditionsService()
  await addStructures(context)
  addValues(context)
  addMethods(context)
  return addAlarm(context)
}

async function addStructures({ addressSpace, namespace, line }: RichContext): Promise<void> {
  const percent = namespace.createDataType({ browseName: 'PercentType', nodeId: 's=PercentType', isAbstract: false, subtypeOf: 'Double' })
  const axis = namespace.createDataType({
    browseName: 'AxisType',
    nodeId: 's=AxisType',
    isAbstract: false,
    subtypeOf: 'Structure',
    partialDefinition: [
      { name: 'Position', dataType: DataType.Double, valueRank: -1 },
      { name: 'Count', dataType: DataType.Int64, valueRank: -1 },
      { name: 'Load', dataType: percent.nodeId, valueRank: -1 },
    ],
  })
  const press = namespace.createDataType({
    browseName: 'PressType',
    nodeId: 's=PressType',
    isAbstract: false,
    subtypeOf: 'Structure',
    partialDefinition: [
      { name: 'Name', dataType: DataType.String, valueRank: -1 },
      { name: 'Axes', dataType: axis.nodeId, valueRank: 1 },
      { name: 'Levels', dataType: DataType.Float, valueRank: 1 },
      { name: 'Since', dataType: DataType.DateTime, valueRank: -1 },
    ],
  })
  for (const dataType of [axis, press]) encode(namespace, dataType)
  await ensureDatatypeExtracted(addressSpace)
  const value = addressSpace.constructExtensionObject(press, {
    name: 'P7',
    axes: [1, 2].map((place) =>
      addressSpace.constructExtensionObject(axis, { position: place + 0.5, count: [0, place], load: place + 50.5 }),
    ),
    levels: [1, 2, 3],
    since: new Date(1_700_000_000_000),
  })
  const variable = namespace.addVariable({ componentOf: line, browseName: 'Press', nodeId: 's=Press', dataType: press.nodeId })
  variable.setValueFromSource({ dataType: DataType.ExtensionObject, value })
}

function encode(namespace: Namespace, dataType: UADataType): void {
  const nodeId = `s=${dataType.browseName.name}.Binary`
  namespace.addObject({ browseName: 'Default Binary', nodeId, typeDefinition: 'DataTypeEncodingType', encodingOf: dataType })
}

function addValues({ namespace, line }: RichContext): void {
  const values: Readonly<Record<string, Variant>> = {
    Matrix: new Variant({ dataType: DataType.Int16, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: [1, 2, 3, 4, 5, 6] }),
    Int64s: new Variant({
      dataType: DataType.Int64,
      arrayType: VariantArrayType.Array,
      value: [
        [0, 1],
        [0xffff_ffff, 0xffff_ffff],
      ],
    }),
    NotANumber: new Variant({ dataType: DataType.Float, value: Number.NaN }),
    Float: new Variant({ dataType: DataType.Float, value: 1.5 }),
    SByte: new Variant({ dataType: DataType.SByte, value: -1 }),
    Byte: new Variant({ dataType: DataType.Byte, value: 255 }),
    UInt16: new Variant({ dataType: DataType.UInt16, value: 65_535 }),
    UInt32: new Variant({ dataType: DataType.UInt32, value: 4_294_967_295 }),
    Bytes: new Variant({ dataType: DataType.ByteString, value: Buffer.from([1, 2, 3]) }),
    Guid: new Variant({ dataType: DataType.Guid, value: '72962B91-FA75-4AE6-8D28-B404DC7DAF63' }),
    Xml: new Variant({ dataType: DataType.XmlElement, value: '<a/>' }),
    Label: new Variant({ dataType: DataType.LocalizedText, value: { text: 'Presse', locale: 'de' } }),
    Code: new Variant({ dataType: DataType.StatusCode, value: StatusCodes.BadDeviceFailure }),
    Name: new Variant({ dataType: DataType.QualifiedName, value: { name: 'Name', namespaceIndex: 1 } }),
    Id: new Variant({ dataType: DataType.NodeId, value: coerceNodeId('ns=1;s=abc') }),
    Bools: new Variant({ dataType: DataType.Boolean, arrayType: VariantArrayType.Array, value: [true, false] }),
  }
  for (const [name, value] of Object.entries(values)) {
    const rank = { [VariantArrayType.Scalar]: -1, [VariantArrayType.Array]: 1, [VariantArrayType.Matrix]: 2 }[value.arrayType]
    const shape = value.dimensions ? { arrayDimensions: value.dimensions } : {}
    const dataType = DataType[value.dataType]
    const variable = namespace.addVariable({
      componentOf: line,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      valueRank: rank,
      ...shape,
    })
    variable.setValueFromSource(value)
  }
  addTimeless(namespace, line)
  const mode = namespace.addEnumerationType({ browseName: 'ModeType', enumeration: ['Off', 'Manual', 'Automatic'] })
  const variable = namespace.addVariable({ componentOf: line, browseName: 'Mode', nodeId: 's=Mode', dataType: mode.nodeId })
  variable.setValueFromSource({ dataType: DataType.Int32, value: 2 })
}

/** Counts each time it is looked at, and its source tells no time: the library would put in its own. */
function addTimeless(namespace: Namespace, line: UAObject): void {
  const node = { componentOf: line, browseName: 'Timeless', nodeId: 's=Timeless', dataType: 'Int32', minimumSamplingInterval: 10 } as const
  const variable = namespace.addVariable(node)
  variable.setValueFromSource({ dataType: DataType.Int32, value: 0 })
  let count = 0
  const look = (): DataValue => {
    count += 1
    return new DataValue({ value: { dataType: DataType.Int32, value: count }, serverTimestamp: new Date(1_700_000_000_000) })
  }
  Object.assign(variable, {
    readValue: look,
    readValueAsync: (_context: unknown, done: (error: null, value: DataValue) => void) => done(null, look()),
  })
}

function addMethods({ namespace, line }: RichContext): void {
  const argument = (name: string, dataType: DataType) => ({ name, dataType, valueRank: -1, description: { text: name } })
  const add = namespace.addMethod(line, {
    browseName: 'Add',
    nodeId: 's=Line.Add',
    inputArguments: [argument('a', DataType.Int16), argument('b', DataType.UInt64)],
    outputArguments: [argument('sum', DataType.Int64)],
  })
  add.bindMethod((inputs, _context, callback) => {
    const [a, b] = inputs
    if (a?.dataType !== DataType.Int16 || b?.dataType !== DataType.UInt64) {
      callback(null, { statusCode: StatusCodes.BadTypeMismatch })
      return
    }
    const sum = Number(a.value) + Number(b.value[1])
    callback(null, {
      statusCode: StatusCodes.Good,
      outputArguments: [new Variant({ dataType: DataType.Int64, arrayType: VariantArrayType.Scalar, value: [0, sum] })],
    })
  })
  const jam = namespace.addMethod(line, { browseName: 'Jam', nodeId: 's=Line.Jam', inputArguments: [], outputArguments: [] })
  jam.bindMethod((_inputs, _context, callback) => callback(null, { statusCode: StatusCodes.BadInvalidState }))
  const hang = namespace.addMethod(line, { browseName: 'Hang', nodeId: 's=Line.Hang', inputArguments: [], outputArguments: [] })
  hang.bindMethod((_inputs, _context, _callback) => {})
}

function addAlarm({ addressSpace, namespace, line }: RichContext): Rich {
  const { server } = addressSpace.rootFolder.objects
  const boiler = namespace.addObject({
    organizedBy: line,
    browseName: 'Boiler',
    nodeId: 's=Boiler',
    eventSourceOf: server,
    eventNotifier: 1,
  })
  const alarm = namespace.instantiateAlarmCondition('AlarmConditionType', {
    browseName: 'BoilerTrip',
    conditionName: 'BoilerTrip',
    conditionSource: boiler,
    componentOf: boiler,
    inputNode: NodeId.nullNodeId,
  } as unknown as Parameters<typeof namespace.instantiateAlarmCondition>[1])
  return {
    trip: (message) => {
      alarm.activateAlarm()
      alarm.raiseNewCondition({ message, severity: 700, retain: true })
    },
    reset: () => {
      alarm.deactivateAlarm()
      alarm.raiseNewCondition({ message: 'over', severity: 700, retain: false })
    },
    tell: (message) =>
      server.raiseEvent('SystemEventType', {
        message: { dataType: DataType.LocalizedText, value: { text: message } },
        severity: { dataType: DataType.UInt16, value: 100 },
        sourceName: { dataType: DataType.String, value: 'Peer' },
      }),
  }
}
