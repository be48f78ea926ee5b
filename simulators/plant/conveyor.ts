import { approach, between, type Chance, happens, wander } from './chance.ts'
import { type Belt, createMachine, type Machine, packml, runMachine, stopMachine } from './machine.ts'

/** The infeed conveyor with its drive: brings empty bottles to the filler. */
export interface Conveyor {
  readonly machine: Machine
  /** Asked for from outside, bottles a minute. */
  speedSetpointPerMin: number
  /** Asked for from outside: stand still until it is taken back. */
  isHeld: boolean
  bottlesIn: number
  runSeconds: number
  currentA: number
  torquePct: number
  temperatureC: number
  dcBusV: number
  isInfeedSeen: boolean
  isOutfeedSeen: boolean
}

const jamCode = 101
const maxPerMin = 240

export function createConveyor(): Conveyor {
  return {
    machine: createMachine(170),
    speedSetpointPerMin: 180,
    isHeld: false,
    bottlesIn: 0,
    runSeconds: 3_600 * 4_211,
    currentA: 3.1,
    torquePct: 42,
    temperatureC: 46,
    dcBusV: 565,
    isInfeedSeen: false,
    isOutfeedSeen: false,
  }
}

export function stepConveyor(conveyor: Conveyor, belts: { readonly from: Belt; readonly to: Belt }, dtS: number, chance: Chance): void {
  const { machine } = conveyor
  if (machine.state === packml.execute && happens(chance, 1 / 240, dtS)) stopMachine(machine, between(chance, 4, 9), jamCode) // a fallen bottle
  // Below, `from` is the glass store and always full: that is a factor of 1.15, which the drive's own setpoint knows.
  const nominalPerMin = conveyor.speedSetpointPerMin / 1.15
  conveyor.bottlesIn += runMachine(machine, { ...belts, nominalPerMin, isHeld: conveyor.isHeld }, dtS)
  belts.from.bottles = belts.from.capacity
  stepDrive(conveyor, dtS, chance)
  conveyor.isInfeedSeen = machine.speedPerMin > 0 && machine.part < 0.55
  conveyor.isOutfeedSeen = machine.isBlocked || (machine.speedPerMin > 0 && machine.part > 0.4)
}

function stepDrive(conveyor: Conveyor, dtS: number, chance: Chance): void {
  const share = conveyor.machine.speedPerMin / maxPerMin
  if (share > 0) conveyor.runSeconds += dtS
  conveyor.torquePct = wander(
    conveyor.torquePct,
    { mean: share > 0 ? 28 + 20 * share : 0, deviation: share > 0 ? 1.8 : 0.05, tauS: 0.4 },
    dtS,
    chance,
  )
  conveyor.currentA = wander(conveyor.currentA, { mean: share > 0 ? 1.4 + 2.3 * share : 0.08, deviation: 0.06, tauS: 0.4 }, dtS, chance)
  conveyor.temperatureC = approach(conveyor.temperatureC, 26 + 2.3 * conveyor.currentA ** 2, 180, dtS)
  conveyor.dcBusV = wander(conveyor.dcBusV, { mean: 566 - 4 * conveyor.currentA, deviation: 1.5, tauS: 3 }, dtS, chance)
}

/** The frequency at the drive's output: 50 Hz is 240 bottles a minute. */
export function frequencyHz(conveyor: Conveyor): number {
  return (conveyor.machine.speedPerMin / maxPerMin) * 50
}
