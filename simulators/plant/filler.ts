import { approach, between, type Chance, clamp, gauss, happens, wander } from './chance.ts'
import { type Cleaning, createCleaning, stepCleaning } from './cleaning.ts'
import { type Belt, createMachine, type Machine, runMachine } from './machine.ts'

/** A rotary counter-pressure filler: a bowl with product below and CO2 above, and a scale behind it. */
export interface Filler {
  readonly machine: Machine
  levelPct: number
  levelSetpointPct: number
  /** CO2 above the product, in bar times the share of the bowl it fills: what stays the same when the level moves. */
  gas: number
  pressureBar: number
  pressureSetpointBar: number
  temperatureC: number
  supplyPressureBar: number
  flowLPerMin: number
  productValvePct: number
  co2ValvePct: number
  /** Sums of the two controllers. */
  readonly integral: { level: number; pressure: number }
  targetG: number
  weightG: number
  weightMeanG: number
  isLastUnderfilled: boolean
  /** Asked for from outside: push the last underfilled bottle off the belt. */
  isRejectRequested: boolean
  filled: number
  underfilled: number
  rejected: number
  totalMl: number
  readonly headFillMs: number[]
  readonly cleaning: Cleaning
  /** The product tank is being changed: almost no supply. */
  supplyDipLeftS: number
  nextDipInS: number
}

const underfillG = 495
const headCount = 8
const bowlLitres = 60
const supplyLPerMinMax = 150
const levelLowPct = 40

export function createFiller(): Filler {
  return {
    machine: createMachine(180),
    levelPct: 60,
    levelSetpointPct: 60,
    gas: 2.4 * headspace(60),
    pressureBar: 2.4,
    pressureSetpointBar: 2.4,
    temperatureC: 4.2,
    supplyPressureBar: 2,
    flowLPerMin: 90,
    productValvePct: 60,
    co2ValvePct: 35,
    integral: { level: 60, pressure: 35 },
    targetG: 500,
    weightG: 500,
    weightMeanG: 500,
    isLastUnderfilled: false,
    isRejectRequested: false,
    filled: 0,
    underfilled: 0,
    rejected: 0,
    totalMl: 0,
    headFillMs: Array.from({ length: headCount }, (_, head) => 2_400 + 15 * head),
    cleaning: createCleaning(),
    supplyDipLeftS: 0,
    nextDipInS: 15,
  }
}

export function isLevelLow(filler: Filler): boolean {
  return filler.levelPct < levelLowPct
}

export interface FillerSurroundings {
  readonly from: Belt
  readonly to: Belt
  readonly co2SupplyBar: number
}

export function stepFiller(filler: Filler, around: FillerSurroundings, dtS: number, chance: Chance): void {
  const isHeld = filler.levelPct < 10 || filler.cleaning.isActive // an empty bowl cannot fill, and one that is cleaned must not; the PLC holds by itself
  const bottles = runMachine(filler.machine, { from: around.from, to: around.to, nominalPerMin: 185, isHeld }, dtS)
  for (let bottle = 0; bottle < bottles; bottle += 1) fillBottle(filler, chance)
  stepCleaning(filler.cleaning, dtS, chance)
  stepSupply(filler, dtS, chance)
  stepLevel(filler, dtS, chance)
  stepPressure(filler, around.co2SupplyBar, dtS, chance)
  filler.temperatureC = wander(
    filler.temperatureC,
    { mean: 4.2 + (90 - filler.flowLPerMin) * 0.008, deviation: 0.05, tauS: 25 },
    dtS,
    chance,
  )
  rejectBottle(filler, around.to)
}

function fillBottle(filler: Filler, chance: Chance): void {
  const head = filler.filled % headCount
  const dribble = happens(chance, 1 / 70, 1) ? between(chance, 12, 30) : 0 // a snift valve that sticks
  const pressureErrorG = clamp(6 * (filler.pressureBar - filler.pressureSetpointBar), -6, 6)
  filler.weightG = filler.targetG + pressureErrorG + 0.03 * (filler.levelPct - 60) + 0.9 * gauss(chance) - dribble
  filler.weightMeanG += (filler.weightG - filler.weightMeanG) * 0.05
  filler.headFillMs[head] = Math.round(2_400 + 15 * head + 220 * (filler.pressureSetpointBar - filler.pressureBar) + 12 * gauss(chance))
  filler.isLastUnderfilled = filler.weightG < underfillG
  filler.filled += 1
  if (filler.isLastUnderfilled) filler.underfilled += 1
  filler.totalMl += Math.round(filler.weightG)
  filler.levelPct -= (filler.weightG / 1_000 / bowlLitres) * 100
}

// The pusher acts on the bottle that was weighed short; there is never more than one between the scale and the pusher.
function rejectBottle(filler: Filler, to: Belt): void {
  if (!filler.isRejectRequested) return
  filler.isRejectRequested = false
  if (filler.rejected >= filler.underfilled || to.bottles === 0) return
  filler.rejected += 1
  to.bottles -= 1
}

function stepSupply(filler: Filler, dtS: number, chance: Chance): void {
  filler.nextDipInS -= dtS
  if (filler.nextDipInS <= 0) {
    filler.supplyDipLeftS = between(chance, 25, 38)
    filler.nextDipInS = between(chance, 150, 300)
  }
  filler.supplyDipLeftS = Math.max(0, filler.supplyDipLeftS - dtS)
  const mean = filler.supplyDipLeftS > 0 ? 0.25 : 2
  filler.supplyPressureBar = clamp(wander(filler.supplyPressureBar, { mean, deviation: 0.04, tauS: 2 }, dtS, chance), 0.05, 4)
}

function stepLevel(filler: Filler, dtS: number, chance: Chance): void {
  // While the bowl is cleaned the product valve is shut and what was in it runs off; the controller waits.
  if (filler.cleaning.isActive) {
    filler.levelPct = approach(filler.levelPct, 12, 4, dtS)
    filler.productValvePct = approach(filler.productValvePct, 0, 0.8, dtS)
    filler.flowLPerMin = approach(filler.flowLPerMin, 0, 0.5, dtS)
    return
  }
  const error = filler.levelSetpointPct - filler.levelPct
  filler.integral.level = clamp(filler.integral.level + error * 0.35 * dtS, 0, 100)
  filler.productValvePct = approach(filler.productValvePct, clamp(filler.integral.level + 5 * error, 0, 100), 0.8, dtS)
  const meanFlow = (filler.productValvePct / 100) * supplyLPerMinMax * Math.sqrt(filler.supplyPressureBar / 2)
  filler.flowLPerMin = Math.max(
    0,
    wander(filler.flowLPerMin, { mean: meanFlow, deviation: 0.012 * meanFlow + 0.02, tauS: 0.5 }, dtS, chance),
  )
  filler.levelPct = clamp(filler.levelPct + ((filler.flowLPerMin / 60) * dtS * 100) / bowlLitres, 0, 100)
}

function headspace(levelPct: number): number {
  return 1.15 - levelPct / 100
}

// A rising level squeezes the gas above it, a falling one gives it room: that is what couples the pressure to the level.
function stepPressure(filler: Filler, co2SupplyBar: number, dtS: number, chance: Chance): void {
  const error = filler.pressureSetpointBar - filler.pressureBar
  filler.integral.pressure = clamp(filler.integral.pressure + error * 12 * dtS, 0, 100)
  filler.co2ValvePct = approach(filler.co2ValvePct, clamp(filler.integral.pressure + 40 * error, 0, 100), 0.3, dtS)
  const inflow = (filler.co2ValvePct / 100) * 0.25 * Math.max(0, co2SupplyBar - filler.pressureBar)
  const spent = (0.005 + (0.09 * filler.machine.speedPerMin) / 180) * filler.pressureBar
  const vented = filler.pressureBar > filler.pressureSetpointBar + 0.5 ? 0.3 * filler.pressureBar : 0
  filler.gas = Math.max(0.05, filler.gas + (inflow - spent - vented) * dtS)
  const actual = filler.gas / headspace(filler.levelPct)
  filler.pressureBar = Math.max(0, wander(filler.pressureBar, { mean: actual, deviation: 0.008, tauS: 0.1 }, dtS, chance))
}
