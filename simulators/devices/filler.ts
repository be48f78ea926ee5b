import type { Cleaning } from '../plant/cleaning.ts'
import { isLevelLow } from '../plant/filler.ts'
import type { Point, RegisterMap } from './registers.ts'

const headFillTimes: Point[] = Array.from({ length: 8 }, (_, head) => ({
  name: `heads/fill-time/${head}`,
  area: 'hr',
  address: 110 + head,
  type: 'u16',
  read: (line) => line.filler.headFillMs[head] ?? 0,
}))

/** One circuit that is cleaned in place: what it shows, and the step that it is asked for. */
function circuitPoints(name: 'bowl' | 'lines', shownAt: number, stepAt: number): readonly Point[] {
  const circuit = (cleaning: Cleaning): Cleaning['bowl'] => cleaning[name]
  return [
    {
      name: `cip/${name}/conductivity`,
      area: 'hr',
      address: shownAt,
      type: 'f32',
      read: (line) => circuit(line.filler.cleaning).conductivityMsCm,
    },
    {
      name: `cip/${name}/temperature`,
      area: 'hr',
      address: shownAt + 2,
      type: 'f32',
      read: (line) => circuit(line.filler.cleaning).temperatureC,
    },
    { name: `cip/${name}/flow`, area: 'hr', address: shownAt + 4, type: 'f32', read: (line) => circuit(line.filler.cleaning).flowLPerMin },
    {
      name: `cip/${name}/step`,
      area: 'hr',
      address: stepAt,
      type: 'u16',
      read: (line) => circuit(line.filler.cleaning).step,
      write: {
        min: 0,
        max: 3,
        apply: (line, value) => {
          circuit(line.filler.cleaning).step = value
        },
      },
    },
  ]
}

/** The filler's PLC: 32-bit floats, high word first. */
export const fillerRegisters: RegisterMap = {
  wordOrder: 'big',
  blocks: {
    hr: [
      [0, 63],
      [100, 127],
    ],
    co: [[0, 7]],
  },
  points: [
    { name: 'state', area: 'hr', address: 0, type: 'u16', read: (line) => line.filler.machine.state },
    { name: 'status/running', area: 'hr', address: 1, bit: 0, type: 'bool', read: (line) => line.filler.machine.speedPerMin > 0 },
    { name: 'status/starved', area: 'hr', address: 1, bit: 1, type: 'bool', read: (line) => line.filler.machine.isStarved },
    { name: 'status/blocked', area: 'hr', address: 1, bit: 2, type: 'bool', read: (line) => line.filler.machine.isBlocked },
    { name: 'status/low-level', area: 'hr', address: 1, bit: 3, type: 'bool', read: (line) => isLevelLow(line.filler) },
    { name: 'bottle/underfilled', area: 'hr', address: 1, bit: 4, type: 'bool', read: (line) => line.filler.isLastUnderfilled },
    { name: 'bowl/level', area: 'hr', address: 2, type: 'f32', read: (line) => line.filler.levelPct },
    { name: 'bowl/pressure', area: 'hr', address: 4, type: 'f32', read: (line) => line.filler.pressureBar },
    { name: 'bowl/temperature', area: 'hr', address: 6, type: 'f32', read: (line) => line.filler.temperatureC },
    { name: 'product/flow', area: 'hr', address: 8, type: 'f32', read: (line) => line.filler.flowLPerMin },
    { name: 'product/supply-pressure', area: 'hr', address: 10, type: 'f32', read: (line) => line.filler.supplyPressureBar },
    { name: 'valve/product', area: 'hr', address: 12, type: 'f32', read: (line) => line.filler.productValvePct },
    { name: 'valve/co2', area: 'hr', address: 14, type: 'f32', read: (line) => line.filler.co2ValvePct },
    { name: 'bottle/weight', area: 'hr', address: 16, type: 'f32', read: (line) => line.filler.weightG },
    { name: 'bottle/weight-mean', area: 'hr', address: 18, type: 'f32', read: (line) => line.filler.weightMeanG },
    { name: 'bottles/filled', area: 'hr', address: 20, type: 'u32', read: (line) => line.filler.filled },
    { name: 'bottles/underfilled', area: 'hr', address: 22, type: 'u32', read: (line) => line.filler.underfilled },
    { name: 'bottles/rejected', area: 'hr', address: 24, type: 'u32', read: (line) => line.filler.rejected },
    { name: 'speed/actual', area: 'hr', address: 26, type: 'f32', read: (line) => line.filler.machine.speedPerMin },
    { name: 'product/total', area: 'hr', address: 28, type: 'u64', read: (line) => line.filler.totalMl },
    { name: 'product/name', area: 'hr', address: 33, type: 'text', words: 8, read: () => 'SPARKLING 0.5' },
    ...headFillTimes,
    ...circuitPoints('bowl', 42, 106),
    ...circuitPoints('lines', 48, 107),
    {
      name: 'bowl/setpoint',
      area: 'hr',
      address: 100,
      type: 'f32',
      read: (line) => line.filler.levelSetpointPct,
      write: {
        min: 30,
        max: 80,
        apply: (line, value) => {
          line.filler.levelSetpointPct = value
        },
      },
    },
    {
      name: 'pressure/setpoint',
      area: 'hr',
      address: 102,
      type: 'f32',
      read: (line) => line.filler.pressureSetpointBar,
      write: {
        min: 1,
        max: 3.5,
        apply: (line, value) => {
          line.filler.pressureSetpointBar = value
        },
      },
    },
    {
      name: 'bottle/target',
      area: 'hr',
      address: 104,
      type: 'f32',
      read: (line) => line.filler.targetG,
      write: {
        min: 480,
        max: 520,
        apply: (line, value) => {
          line.filler.targetG = value
        },
      },
    },
    {
      name: 'cip/active',
      area: 'co',
      address: 1,
      type: 'bool',
      read: (line) => line.filler.cleaning.isActive,
      write: {
        apply: (line, value) => {
          line.filler.cleaning.isActive = value !== 0
        },
      },
    },
    {
      name: 'reject/request',
      area: 'co',
      address: 0,
      type: 'bool',
      read: (line) => line.filler.isRejectRequested,
      write: {
        apply: (line, value) => {
          line.filler.isRejectRequested = value !== 0
        },
      },
    },
  ],
}
