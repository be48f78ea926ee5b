import { approach, between, type Chance, wander } from './chance.ts'
import { type Belt, createMachine, type Machine, runMachine } from './machine.ts'

/** Packs twelve bottles to a case and the cases to pallets; a forklift fetches full pallets when it has time. */
export interface Palletiser {
  readonly machine: Machine
  /** Layers of a pallet, asked for from outside. */
  layersWanted: number
  speedOverridePct: number
  /** How much of its power it may draw, asked for from outside. */
  loadLimitPct: number
  /** Asked for from outside: let an unfinished pallet go. */
  isReleaseRequested: boolean
  bottlesInCase: number
  casesOnPallet: number
  cases: number
  pallets: number
  /** Full pallets that wait for the forklift. */
  outfeed: number
  magazine: number
  forkliftInS: number
  gripperXM: number
  gripperZM: number
  vacuumMbar: number
  filmM: number
}

const bottlesPerCase = 12
const casesPerLayer = 5
const outfeedPlaces = 2
const magazinePlaces = 14

export function createPalletiser(): Palletiser {
  return {
    machine: createMachine(180),
    layersWanted: 4,
    speedOverridePct: 100,
    loadLimitPct: 100,
    isReleaseRequested: false,
    bottlesInCase: 0,
    casesOnPallet: 7,
    cases: 0,
    pallets: 0,
    outfeed: 1,
    magazine: 11,
    forkliftInS: 70,
    gripperXM: 0.4,
    gripperZM: 1.2,
    vacuumMbar: -620,
    filmM: 1_240,
  }
}

export function isOutfeedFull(palletiser: Palletiser): boolean {
  return palletiser.outfeed >= outfeedPlaces
}

export function currentLayer(palletiser: Palletiser): number {
  return Math.floor(palletiser.casesOnPallet / casesPerLayer) + 1
}

export function stepPalletiser(
  palletiser: Palletiser,
  belts: { readonly from: Belt; readonly to: Belt },
  dtS: number,
  chance: Chance,
): void {
  const nominalPerMin = (200 * Math.min(palletiser.speedOverridePct, palletiser.loadLimitPct)) / 100
  const bottles = runMachine(palletiser.machine, { ...belts, nominalPerMin, isHeld: isOutfeedFull(palletiser) }, dtS)
  belts.to.bottles = 0
  packBottles(palletiser, bottles)
  if (palletiser.isReleaseRequested && palletiser.casesOnPallet > 0) finishPallet(palletiser)
  palletiser.isReleaseRequested = false
  stepForklift(palletiser, dtS, chance)
  stepGripper(palletiser, dtS, chance)
}

function packBottles(palletiser: Palletiser, bottles: number): void {
  palletiser.bottlesInCase += bottles
  while (palletiser.bottlesInCase >= bottlesPerCase) {
    palletiser.bottlesInCase -= bottlesPerCase
    palletiser.cases += 1
    palletiser.casesOnPallet += 1
    if (palletiser.casesOnPallet >= casesPerLayer * palletiser.layersWanted) finishPallet(palletiser)
  }
}

function finishPallet(palletiser: Palletiser): void {
  palletiser.casesOnPallet = 0
  palletiser.pallets += 1
  palletiser.outfeed += 1
  palletiser.filmM = palletiser.filmM < 30 ? 1_500 : palletiser.filmM - 18.5
  palletiser.magazine = palletiser.magazine <= 1 ? magazinePlaces : palletiser.magazine - 1
}

function stepForklift(palletiser: Palletiser, dtS: number, chance: Chance): void {
  palletiser.forkliftInS -= dtS
  if (palletiser.forkliftInS > 0) return
  palletiser.outfeed = 0
  palletiser.forkliftInS = between(chance, 80, 150)
}

function stepGripper(palletiser: Palletiser, dtS: number, chance: Chance): void {
  const isMoving = palletiser.machine.speedPerMin > 10
  const stroke = palletiser.bottlesInCase / bottlesPerCase
  const place = palletiser.casesOnPallet % casesPerLayer
  const targetX = isMoving ? 0.4 + stroke * (1.2 + 0.3 * place) : 0.4
  palletiser.gripperXM = approach(palletiser.gripperXM, targetX, 0.3, dtS)
  palletiser.gripperZM = approach(palletiser.gripperZM, stroke > 0.7 ? 0.2 + 0.28 * currentLayer(palletiser) : 1.6, 0.35, dtS)
  const mean = isMoving && stroke > 0.2 ? -640 : -90
  palletiser.vacuumMbar = wander(palletiser.vacuumMbar, { mean, deviation: 9, tauS: 0.25 }, dtS, chance)
}
