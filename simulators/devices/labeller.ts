import { rollDiameterMm, spliceCode } from '../plant/labeller.ts'
import type { Line } from '../plant/line.ts'

/** One variable of the labeller's OPC UA server. */
export interface Node {
  /** Also its node id: `s=web/tension`. */
  readonly name: string
  readonly dataType: 'Boolean' | 'UInt16' | 'UInt32' | 'Double' | 'String'
  /** Makes it an analog item, with EURange and, where it has one, an engineering unit. */
  readonly range?: readonly [number, number]
  readonly unit?: string
  read(line: Line): boolean | number | string
  readonly write?: NodeWrite
}

export interface NodeWrite {
  /** Of a number: least and most. Of a text: least and most characters. */
  readonly min: number
  readonly max: number
  apply(line: Line, value: number | string): void
}

export const labellerNamespace = 'urn:bottling-plant:labeller-1'

export const labellerNodes: readonly Node[] = [
  { name: 'state', dataType: 'UInt16', read: (line) => line.labeller.machine.state },
  { name: 'status/running', dataType: 'Boolean', read: (line) => line.labeller.machine.speedPerMin > 0 },
  { name: 'status/starved', dataType: 'Boolean', read: (line) => line.labeller.machine.isStarved },
  { name: 'stop/reason', dataType: 'String', read: (line) => stopReason(line) },
  { name: 'speed/actual', dataType: 'Double', range: [0, 240], unit: '1/min', read: (line) => line.labeller.machine.speedPerMin },
  {
    name: 'speed/limit',
    dataType: 'Double',
    range: [0, 240],
    unit: '1/min',
    read: (line) => line.labeller.speedLimitPerMin,
    write: {
      min: 30,
      max: 240,
      apply: (line, value) => {
        line.labeller.speedLimitPerMin = Number(value)
      },
    },
  },
  { name: 'web/tension', dataType: 'Double', range: [0, 50], unit: 'N', read: (line) => line.labeller.webTensionN },
  { name: 'roll/remaining', dataType: 'Double', range: [0, 120], unit: 'm', read: (line) => line.labeller.rollRemainingM },
  { name: 'roll/diameter', dataType: 'Double', range: [76, 130], unit: 'mm', read: (line) => rollDiameterMm(line.labeller) },
  { name: 'splice/active', dataType: 'Boolean', read: (line) => line.labeller.machine.faultCode === spliceCode },
  { name: 'label/offset', dataType: 'Double', range: [-5, 5], unit: 'mm', read: (line) => line.labeller.offsetMm },
  { name: 'label/last-code', dataType: 'String', read: (line) => line.labeller.lastCode },
  { name: 'labels/applied', dataType: 'UInt32', read: (line) => line.labeller.labels },
  { name: 'labels/misaligned', dataType: 'UInt32', read: (line) => line.labeller.misaligned },
  { name: 'glue/temperature', dataType: 'Double', range: [0, 220], unit: '°C', read: (line) => line.labeller.glueC },
  {
    name: 'glue/setpoint',
    dataType: 'Double',
    range: [0, 220],
    unit: '°C',
    read: (line) => line.labeller.glueSetpointC,
    write: {
      min: 100,
      max: 180,
      apply: (line, value) => {
        line.labeller.glueSetpointC = Number(value)
      },
    },
  },
  { name: 'glue/heating', dataType: 'Boolean', read: (line) => line.labeller.isGlueHeating },
  { name: 'printer/ink', dataType: 'Double', range: [0, 100], unit: '%', read: (line) => line.labeller.inkPct },
  { name: 'motor/current', dataType: 'Double', range: [0, 8], unit: 'A', read: (line) => line.labeller.motorA },
  { name: 'vision/score', dataType: 'Double', range: [0, 100], unit: '%', read: (line) => line.labeller.visionScorePct },
  {
    name: 'batch/code',
    dataType: 'String',
    read: (line) => line.labeller.batchCode,
    write: {
      min: 1,
      max: 24,
      apply: (line, value) => {
        line.labeller.batchCode = String(value)
      },
    },
  },
]

function stopReason({ labeller: { machine } }: Line): string {
  if (machine.faultCode === spliceCode) return 'splice'
  if (machine.isStarved) return 'no bottles'
  return machine.isBlocked ? 'outfeed blocked' : ''
}
