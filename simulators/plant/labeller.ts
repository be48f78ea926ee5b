import { approach, between, type Chance, clamp, gauss, wander } from './chance.ts'
import { type Belt, createMachine, type Machine, runMachine, stopMachine } from './machine.ts'

/** A roll-fed labeller with a printer and a camera. */
export interface Labeller {
  readonly machine: Machine
  speedLimitPerMin: number
  webTensionN: number
  rollRemainingM: number
  offsetMm: number
  glueC: number
  glueSetpointC: number
  isGlueHeating: boolean
  labels: number
  misaligned: number
  inkPct: number
  motorA: number
  visionScorePct: number
  batchCode: string
  lastCode: string
}

export const spliceCode = 301
const rollFullM = 110
const labelM = 0.22
const offsetMaxMm = 1.2

export function createLabeller(): Labeller {
  return {
    machine: createMachine(180),
    speedLimitPerMin: 240,
    webTensionN: 24,
    rollRemainingM: 70,
    offsetMm: 0,
    glueC: 138,
    glueSetpointC: 140,
    isGlueHeating: true,
    labels: 0,
    misaligned: 0,
    inkPct: 83,
    motorA: 2.2,
    visionScorePct: 98,
    batchCode: 'L2611-A',
    lastCode: '',
  }
}

export function stepLabeller(labeller: Labeller, belts: { readonly from: Belt; readonly to: Belt }, dtS: number, chance: Chance): void {
  const { machine } = labeller
  if (labeller.rollRemainingM <= 0) {
    labeller.rollRemainingM = rollFullM
    stopMachine(machine, between(chance, 5, 8), spliceCode)
  }
  const nominalPerMin = Math.min(192, labeller.speedLimitPerMin)
  const bottles = runMachine(machine, { ...belts, nominalPerMin }, dtS)
  for (let bottle = 0; bottle < bottles; bottle += 1) labelBottle(labeller, chance)
  stepGlue(labeller, dtS)
  const share = machine.speedPerMin / 180
  const tension = machine.faultCode === spliceCode ? 2 : 18 + 6 * share
  labeller.webTensionN = Math.max(0, wander(labeller.webTensionN, { mean: tension, deviation: 0.5, tauS: 0.7 }, dtS, chance))
  labeller.motorA = wander(labeller.motorA, { mean: 0.3 + 1.9 * share, deviation: 0.05, tauS: 0.4 }, dtS, chance)
}

function labelBottle(labeller: Labeller, chance: Chance): void {
  labeller.labels += 1
  labeller.rollRemainingM = Math.max(0, labeller.rollRemainingM - labelM)
  labeller.offsetMm = clamp(0.03 * (labeller.webTensionN - 24) + 0.35 * gauss(chance), -5, 5)
  if (Math.abs(labeller.offsetMm) > offsetMaxMm) labeller.misaligned += 1
  labeller.visionScorePct = clamp(99 - 9 * Math.abs(labeller.offsetMm) ** 2 + 0.4 * gauss(chance), 0, 100)
  labeller.inkPct = labeller.inkPct < 5 ? 100 : labeller.inkPct - 0.002
  labeller.lastCode = `${labeller.batchCode}-${String(labeller.labels).padStart(7, '0')}`
}

function stepGlue(labeller: Labeller, dtS: number): void {
  if (labeller.glueC < labeller.glueSetpointC - 1) labeller.isGlueHeating = true
  if (labeller.glueC > labeller.glueSetpointC + 1) labeller.isGlueHeating = false
  labeller.glueC = approach(labeller.glueC, labeller.isGlueHeating ? 200 : 30, 260, dtS)
}

/** Outer diameter of what is left on a 76 mm core, for a web 0.055 mm thick. */
export function rollDiameterMm(labeller: Labeller): number {
  return Math.sqrt(76 ** 2 + (4 / Math.PI) * labeller.rollRemainingM * 1_000 * 0.055)
}
