import { approach, type Chance, wander } from './chance.ts'

/** What stands in a circuit that is cleaned, as its PLC counts. */
const cipStep = { idle: 0, rinse: 1, caustic: 2, finalRinse: 3 } as const

/** One circuit of the filler that cleaning liquid is pumped through: the bowl with its heads, or the product lines. */
export interface Circuit {
  /** Asked for from outside. */
  step: number
  conductivityMsCm: number
  temperatureC: number
  flowLPerMin: number
}

/** Clean-in-place: nothing is filled while it is active, and product stands in the circuits while it is not. */
export interface Cleaning {
  isActive: boolean
  readonly bowl: Circuit
  readonly lines: Circuit
}

interface Liquid {
  readonly conductivityMsCm: number
  readonly temperatureC: number
  readonly flowLPerMin: number
}

const product: Liquid = { conductivityMsCm: 1.9, temperatureC: 4.2, flowLPerMin: 0 }
const water: Liquid = { conductivityMsCm: 0.45, temperatureC: 18, flowLPerMin: 85 }
/** 2 % caustic soda, from a heated tank. */
const caustic: Liquid = { conductivityMsCm: 78, temperatureC: 76, flowLPerMin: 85 }

export function createCleaning(): Cleaning {
  return { isActive: false, bowl: circuit(), lines: circuit() }
}

function circuit(): Circuit {
  return { step: cipStep.idle, conductivityMsCm: 1.9, temperatureC: 4.2, flowLPerMin: 0 }
}

export function stepCleaning(cleaning: Cleaning, dtS: number, chance: Chance): void {
  // The bowl holds more than the lines: what was in it takes longer to be gone.
  stepCircuit(cleaning.bowl, { isActive: cleaning.isActive, tauS: 2.4 }, dtS, chance)
  stepCircuit(cleaning.lines, { isActive: cleaning.isActive, tauS: 1.5 }, dtS, chance)
}

interface Hydraulics {
  readonly isActive: boolean
  /** How fast one liquid follows another. */
  readonly tauS: number
}

function stepCircuit(circuit: Circuit, { isActive, tauS }: Hydraulics, dtS: number, chance: Chance): void {
  if (!isActive) circuit.step = cipStep.idle // the PLC closes the valves of the skid
  const liquid = liquidOf(circuit.step, isActive)
  const isMoving = liquid !== undefined && liquid.flowLPerMin > 0
  const { flowLPerMin } = liquid ?? { flowLPerMin: 0 }
  circuit.flowLPerMin = Math.max(
    0,
    wander(circuit.flowLPerMin, { mean: flowLPerMin, deviation: isMoving ? 1.2 : 0.02, tauS: 0.6 }, dtS, chance),
  )
  if (liquid === undefined) return // it stands, and cools a little
  circuit.conductivityMsCm = approach(circuit.conductivityMsCm, liquid.conductivityMsCm, tauS, dtS)
  circuit.temperatureC = approach(circuit.temperatureC, liquid.temperatureC, 1.6 * tauS, dtS)
}

function liquidOf(step: number, isActive: boolean): Liquid | undefined {
  if (!isActive) return product
  if (step === cipStep.caustic) return caustic
  return step === cipStep.rinse || step === cipStep.finalRinse ? water : undefined
}
