import { type Capper, createCapper, stepCapper } from './capper.ts'
import { type Chance, seededChance } from './chance.ts'
import { type Conveyor, createConveyor, stepConveyor } from './conveyor.ts'
import { createFiller, type Filler, stepFiller } from './filler.ts'
import { createLabeller, type Labeller, stepLabeller } from './labeller.ts'
import type { Belt } from './machine.ts'
import { createPalletiser, type Palletiser, stepPalletiser } from './palletiser.ts'
import { createUtility, stepUtility, type Utility } from './utility.ts'

/**
 * A bottling line of 180 bottles of half a litre a minute. Nothing here knows of time, networks or chance: the same seed and the same steps give
 * the same line.
 */
export interface Line {
  readonly chance: Chance
  readonly infeed: Conveyor
  readonly filler: Filler
  readonly capper: Capper
  readonly labeller: Labeller
  readonly palletiser: Palletiser
  readonly utility: Utility
  readonly belts: {
    readonly glass: Belt
    readonly toFiller: Belt
    readonly toCapper: Belt
    readonly toLabeller: Belt
    readonly toPalletiser: Belt
    readonly packed: Belt
  }
}

/** A longer step is cut up: the controllers are stable up to here. */
const stepSMax = 0.05

export function createLine(seed: number): Line {
  return {
    chance: seededChance(seed),
    infeed: createConveyor(),
    filler: createFiller(),
    capper: createCapper(),
    labeller: createLabeller(),
    palletiser: createPalletiser(),
    utility: createUtility(),
    belts: {
      glass: { bottles: 1_000, capacity: 1_000 },
      toFiller: { bottles: 30, capacity: 60 },
      toCapper: { bottles: 12, capacity: 24 },
      toLabeller: { bottles: 40, capacity: 80 },
      toPalletiser: { bottles: 60, capacity: 120 },
      packed: { bottles: 0, capacity: 1_000 },
    },
  }
}

/** Moves the line on by `seconds`. */
export function stepLine(line: Line, seconds: number): void {
  const steps = Math.max(1, Math.ceil(seconds / stepSMax))
  for (let step = 0; step < steps; step += 1) stepOnce(line, seconds / steps)
}

function stepOnce(line: Line, dtS: number): void {
  const { belts, chance, infeed, filler, capper, labeller, palletiser, utility } = line
  stepConveyor(infeed, { from: belts.glass, to: belts.toFiller }, dtS, chance)
  stepFiller(filler, { from: belts.toFiller, to: belts.toCapper, co2SupplyBar: utility.co2Bar }, dtS, chance)
  stepCapper(capper, { from: belts.toCapper, to: belts.toLabeller, airBar: utility.airBar }, dtS, chance)
  stepLabeller(labeller, { from: belts.toLabeller, to: belts.toPalletiser }, dtS, chance)
  stepPalletiser(palletiser, { from: belts.toPalletiser, to: belts.packed }, dtS, chance)
  const speeds = [infeed, filler, capper, labeller, palletiser].map(({ machine }) => machine.speedPerMin)
  stepUtility(utility, speeds, dtS, chance)
}
