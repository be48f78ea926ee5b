import type { Tag } from '../../model/tag.ts'
import type { Problem } from '../driver.ts'
import { byArea, isBitArea, isReadOnlyArea, locate, type ModbusAddress, type Place, spanOfRange } from './address.ts'
import { endOf, isSameLine } from './planner.ts'
import type { ModbusConfig } from './settings.ts'
import { coilsPerWriteMax, registersPerWriteMax } from './write-plan.ts'

const offsetMax = 65_535

type Complaint = Pick<Problem, 'code' | 'message' | 'remedy'> & Partial<Pick<Problem, 'severity'>> & { readonly key?: string }

/** What the schemas cannot say about a Modbus device. Pure. */
export function checkModbus(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly Problem[] {
  const ofTags = tags.flatMap((tag) =>
    complaints(config, tag).map(({ key = 'at', ...complaint }) => ({ path: ['tags', tag.path, key], ...complaint })),
  )
  return [...checkPause(config), ...checkHoles(config), ...ofTags, ...checkOverlaps(config, tags)]
}

function checkPause(config: ModbusConfig): readonly Problem[] {
  if (config.quirks.pauseMs === 0 || config.inflightMax === 1) return []
  return [
    {
      path: ['modbus', 'inflight'],
      code: 'modbus.pause-inflight',
      message: `With a pause of ${config.quirks.pauseMs} ms between requests there is never more than one on its way, so inflight: ${config.inflightMax} does nothing.`,
      remedy: 'Remove `inflight`, or the pause.',
      severity: 'warning',
    },
  ]
}

function checkHoles(config: ModbusConfig): readonly Problem[] {
  return config.quirks.holes.flatMap((hole, place) => {
    const { unit, start, count } = spanOfRange(hole, config)
    if (unit <= 255 && start >= 0 && start + count - 1 <= offsetMax) return []
    const message = 'This hole lies where no device has anything: units end at 255, addresses at 65535.'
    return [{ path: ['modbus', 'quirks', 'holes', place], code: 'modbus.hole-range', message, remedy: 'Correct the hole, or remove it.' }]
  })
}

function checkInHole(config: ModbusConfig, address: ModbusAddress): readonly Complaint[] {
  const place = locate(address, config)
  const hole = config.quirks.holes
    .map((range) => spanOfRange(range, config))
    .find((span) => isSameLine(span, place) && span.start < endOf(place) && endOf(span) > place.start)
  if (hole === undefined) return []
  return [
    {
      code: 'modbus.in-hole',
      message: `${address.area}:${address.offset} lies in a hole that \`quirks: { holes }\` names, so this tag is always bad.`,
      remedy: 'Remove the tag, or make the hole smaller.',
      severity: 'warning',
    },
  ]
}

function complaints(config: ModbusConfig, tag: Tag<ModbusAddress>): readonly Complaint[] {
  const { address } = tag
  return [
    ...checkRange(config, address),
    ...checkBit(address),
    ...checkLength(config, address),
    ...checkInHole(config, address),
    ...checkWrite(tag),
  ]
}

function checkRange(config: ModbusConfig, address: ModbusAddress): readonly Complaint[] {
  const { start, count, unit } = locate(address, config)
  const found: Complaint[] = []
  if (unit > 255) {
    found.push({ code: 'modbus.unit-range', message: `There is no unit ${unit}.`, remedy: 'Use a unit from 0 to 255.' })
  }
  if (start < 0) {
    found.push({
      code: 'modbus.address-range',
      message: `${address.area}:0 does not exist where addresses count from one.`,
      remedy: 'Add one to the addresses of this device, or remove `addressing: one`.',
    })
  } else if (start + count - 1 > offsetMax) {
    found.push({
      code: 'modbus.address-range',
      message: `${address.area}:${address.offset} ends at ${start + count - 1} on the wire, and ${offsetMax} is the last address there is.`,
      remedy: 'Use a smaller address. Modicon numbers such as 400101 are written hr:100.',
    })
  }
  return found
}

function checkBit(address: ModbusAddress): readonly Complaint[] {
  if (isBitArea(address.area)) return checkCoil(address)
  if (address.bit !== undefined) return checkRegisterBit(address, address.bit)
  if (address.type !== 'bool') return []
  const at = `${address.area}:${address.offset}`
  return [
    {
      code: 'modbus.bit-needed',
      message: `${at} is a whole register, not a bool.`,
      remedy: `Say which bit, like ${at}.0, or use co or di.`,
    },
  ]
}

function checkCoil({ area, offset, bit, type }: ModbusAddress): readonly Complaint[] {
  const at = `${area}:${offset}`
  if (bit !== undefined) {
    const remedy = `Write ${at} or ${area}:${offset + bit}.`
    return [{ code: 'modbus.bit-of-bit', message: `${at} is a bit already; it has no bit ${bit}.`, remedy }]
  }
  if (type === 'bool') return []
  const remedy = 'Make it `type: bool`, or use hr or ir.'
  return [{ key: 'type', code: 'modbus.type-of-bit', message: `${at} is a bit, not a ${type}.`, remedy }]
}

function checkRegisterBit({ area, offset, type, length }: ModbusAddress, bit: number): readonly Complaint[] {
  const at = `${area}:${offset}.${bit}`
  if (type !== 'bool') {
    const remedy = 'Make it `type: bool`, or remove the bit.'
    return [{ key: 'type', code: 'modbus.type-of-bit', message: `${at} is a bit, not a ${type}.`, remedy }]
  }
  if (length !== undefined) {
    const remedy = 'Give each bit a tag of its own, or read the register as u16.'
    return [{ code: 'modbus.bit-array', message: `${at}[${length}] is an array of bits of a register, which there is not.`, remedy }]
  }
  if (bit <= 15) return []
  const remedy = `Write ${area}:${offset + Math.floor(bit / 16)}.${bit % 16} if the next register is meant.`
  return [{ code: 'modbus.bit-range', message: `A register has the bits 0 to 15, so there is no ${at}.`, remedy }]
}

function checkLength(config: ModbusConfig, address: ModbusAddress): readonly Complaint[] {
  const { area, length, type, sizeBytes, registers } = address
  if (length === 0 || sizeBytes === 0) {
    const key = sizeBytes === 0 ? 'type' : 'at'
    return [{ key, code: 'modbus.empty', message: 'A value of no length has nothing to read.', remedy: 'Give it a length of at least 1.' }]
  }
  const isBits = isBitArea(area)
  const max = isBits ? config.quirks.coilsMax : config.quirks.registersMax
  if (registers <= max) return []
  const what = isBits ? 'bits' : 'registers'
  return [
    {
      key: length === undefined ? 'type' : 'at',
      code: 'modbus.too-long',
      message: `The ${type} takes ${registers} ${what}, and one request reads ${max}: it could be torn between two moments.`,
      remedy: 'Divide it into several tags.',
    },
  ]
}

function checkWrite({ address, write }: Tag<ModbusAddress>): readonly Complaint[] {
  if (write === undefined) return []
  const { area, offset, registers } = address
  if (isReadOnlyArea(area)) {
    const writable = area === 'ir' ? 'hr' : 'co'
    const what = area === 'ir' ? 'Input registers' : 'Discrete inputs'
    return [
      {
        key: 'write',
        code: 'modbus.read-only',
        message: `${what} can only be read, so ${area}:${offset} cannot have \`write\`.`,
        remedy: `Remove \`write\`, or use the ${writable} address that the device's manual gives.`,
      },
    ]
  }
  const max = area === 'co' ? coilsPerWriteMax : registersPerWriteMax
  if (registers <= max) return []
  return [
    {
      key: 'write',
      code: 'modbus.write-too-long',
      message: `One request writes ${max} ${area === 'co' ? 'coils' : 'registers'}, and this value has ${registers}.`,
      remedy: 'Divide it into several tags.',
    },
  ]
}

interface Spot {
  readonly tag: Tag<ModbusAddress>
  readonly place: Place
}

/** Two tags that see the same registers as different things: mostly a mistyped address. One problem a tag at most. */
function checkOverlaps(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly Problem[] {
  const spots = tags
    .map((tag) => ({ tag, place: locate(tag.address, config) }))
    .filter(({ place }) => !isBitArea(place.area) && place.type !== 'bytes' && place.bit === undefined && place.count > 0)
    .sort((one, other) => compare(one.place, other.place))
  const found: Problem[] = []
  let open: Spot[] = []
  for (const spot of spots) {
    open = open.filter(({ place }) => isSameLine(place, spot.place) && place.start + place.count > spot.place.start)
    const other = open.find(({ place }) => !agree(place, spot.place))
    if (other !== undefined) found.push(overlap(spot, other))
    if (!open.some(({ place }) => isSameView(place, spot.place))) open.push(spot)
  }
  return found
}

function compare(one: Place, other: Place): number {
  return one.unit - other.unit || byArea(one.area, other.area) || one.start - other.start || other.count - one.count
}

function isSameView(one: Place, other: Place): boolean {
  return one.start === other.start && one.count === other.count && one.type === other.type && one.length === other.length
}

/** Whether an earlier place and a later one can both be right: the same value twice, or an element of an array. */
function agree(earlier: Place, later: Place): boolean {
  const element = earlier.count / (earlier.length ?? 1)
  const laterElement = later.count / (later.length ?? 1)
  return earlier.type === later.type && element === laterElement && (later.start - earlier.start) % element === 0
}

function overlap(spot: Spot, other: Spot): Problem {
  const isInside = spot.place.start + spot.place.count <= other.place.start + other.place.count
  const { area, offset, type } = spot.tag.address
  return {
    path: ['tags', spot.tag.path, 'at'],
    code: 'modbus.overlap',
    message: `${area}:${offset} (${type}) shares registers with ${other.tag.path}, which is ${area}:${other.tag.address.offset} (${other.tag.address.type}, ${other.place.count} registers).`,
    remedy: 'Compare both addresses and types with the manual: a 32-bit value takes two registers, a 64-bit value four.',
    severity: isInside ? 'warning' : 'error',
  }
}
