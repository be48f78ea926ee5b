import { approach, between, type Chance, gauss, happens, wander } from './chance.ts'
import { type Belt, createMachine, type Machine, packml, runMachine, stopMachine } from './machine.ts'

/** Six capping heads, a cap hopper above them, and a pusher for caps that sit too loose or too tight. */
export interface Capper {
  readonly machine: Machine
  torqueSetpointNm: number
  torqueWindowNm: number
  torqueNm: number
  torqueMeanNm: number
  lastHead: number
  isRejecting: boolean
  capped: number
  rejected: number
  hopperPct: number
  chutePct: number
  headTemperatureC: number
  wearPct: number
  airBar: number
  jobNumber: number
  /** How much of its power it may draw, asked for from outside. */
  loadLimitPct: number
}

const capJamCode = 201
const headCount = 6
const hopperLowPct = 20

export function createCapper(): Capper {
  return {
    machine: createMachine(180),
    torqueSetpointNm: 1.8,
    torqueWindowNm: 0.3,
    torqueNm: 1.8,
    torqueMeanNm: 1.8,
    lastHead: 1,
    isRejecting: false,
    capped: 0,
    rejected: 0,
    hopperPct: 64,
    chutePct: 88,
    headTemperatureC: 38,
    wearPct: 21,
    airBar: 6.6,
    jobNumber: 40_711_806,
    loadLimitPct: 100,
  }
}

export function areCapsLow(capper: Capper): boolean {
  return capper.hopperPct < hopperLowPct
}

export interface CapperSurroundings {
  readonly from: Belt
  readonly to: Belt
  readonly airBar: number
}

export function stepCapper(capper: Capper, around: CapperSurroundings, dtS: number, chance: Chance): void {
  const { machine } = capper
  if (machine.state === packml.execute && happens(chance, 1 / 300, dtS)) stopMachine(machine, between(chance, 6, 15), capJamCode)
  const bottles = runMachine(machine, { from: around.from, to: around.to, nominalPerMin: (190 * capper.loadLimitPct) / 100 }, dtS)
  for (let bottle = 0; bottle < bottles; bottle += 1) capBottle(capper, around.to, chance)
  if (bottles === 0 && machine.speedPerMin === 0) capper.isRejecting = false
  if (capper.hopperPct < 12) capper.hopperPct = 96 // somebody tips in another box of caps
  const chuteMean = machine.faultCode === capJamCode ? 12 : 88
  capper.chutePct = wander(capper.chutePct, { mean: chuteMean, deviation: 3, tauS: 1.5 }, dtS, chance)
  capper.headTemperatureC = approach(capper.headTemperatureC, 24 + machine.speedPerMin * 0.08, 120, dtS)
  capper.airBar = wander(capper.airBar, { mean: around.airBar - 0.1, deviation: 0.02, tauS: 0.5 }, dtS, chance)
}

function capBottle(capper: Capper, to: Belt, chance: Chance): void {
  capper.lastHead = (capper.capped % headCount) + 1
  const isCrooked = happens(chance, 1 / 120, 1)
  const spread = 0.04 + capper.wearPct * 0.0008
  capper.torqueNm = Math.max(0, capper.torqueSetpointNm + spread * gauss(chance) - (isCrooked ? between(chance, 0.4, 1.2) : 0))
  capper.torqueMeanNm += (capper.torqueNm - capper.torqueMeanNm) * 0.05
  capper.wearPct = Math.min(100, capper.wearPct + 0.0004)
  capper.hopperPct -= 0.02
  capper.isRejecting = Math.abs(capper.torqueNm - capper.torqueSetpointNm) > capper.torqueWindowNm
  if (!capper.isRejecting) {
    capper.capped += 1
    return
  }
  capper.rejected += 1
  to.bottles -= 1
}
