import { approach, clamp } from './chance.ts'

/** PackML (ISA-TR88.00.02) state numbers, as the machines show them. */
export const packml = { starting: 3, suspended: 5, execute: 6, aborted: 9, held: 11 } as const

/** What every machine of the line has in common: it takes bottles from the belt before it and puts them on the belt behind it. */
export interface Machine {
  state: number
  speedPerMin: number
  /** Nothing comes in. */
  isStarved: boolean
  /** Nothing can go out. */
  isBlocked: boolean
  /** Above 0 while it stands for a reason of its own. */
  stopLeftS: number
  faultCode: number
  /** The part of a bottle that is under way inside. */
  part: number
}

export interface Belt {
  bottles: number
  readonly capacity: number
}

export function createMachine(speedPerMin: number): Machine {
  return { state: packml.execute, speedPerMin, isStarved: false, isBlocked: false, stopLeftS: 0, faultCode: 0, part: 0 }
}

export function stopMachine(machine: Machine, seconds: number, faultCode: number): void {
  machine.stopLeftS = seconds
  machine.faultCode = faultCode
}

interface Run {
  readonly from: Belt
  readonly to: Belt
  readonly nominalPerMin: number
  readonly isHeld?: boolean
}

/** Moves a machine on and returns the whole bottles it handled. Taking them off the one belt and putting them on the other is done here. */
export function runMachine(machine: Machine, { from, to, nominalPerMin, isHeld = false }: Run, dtS: number): number {
  machine.stopLeftS = Math.max(0, machine.stopLeftS - dtS)
  if (machine.stopLeftS === 0) machine.faultCode = 0
  lookAtBelts(machine, from, to)
  machine.state = stateOf(machine, isHeld)
  const isRunning = machine.state === packml.execute || machine.state === packml.starting
  machine.speedPerMin = approach(machine.speedPerMin, isRunning ? nominalPerMin * accordingTo(from) : 0, isRunning ? 2 : 0.6, dtS)
  if (!isRunning && machine.speedPerMin < 0.5) machine.speedPerMin = 0
  return moveBottles(machine, from, to, dtS)
}

// A machine that has run dry waits for a few bottles before it starts again, and one that was blocked for some room: none starts for one bottle.
function lookAtBelts(machine: Machine, from: Belt, to: Belt): void {
  machine.isStarved = from.bottles < (machine.isStarved ? from.capacity * 0.15 : 1)
  machine.isBlocked = to.capacity - to.bottles < (machine.isBlocked ? to.capacity * 0.15 : 1)
}

function stateOf(machine: Machine, isHeld: boolean): number {
  if (machine.stopLeftS > 0) return packml.aborted
  if (isHeld) return packml.held
  if (machine.isStarved || machine.isBlocked) return packml.suspended
  return machine.speedPerMin < 20 ? packml.starting : packml.execute
}

/** The fuller the belt before it, the faster a machine runs: that keeps the belts of a line half full. */
function accordingTo(from: Belt): number {
  return clamp(0.6 + 0.8 * (from.bottles / from.capacity), 0.6, 1.15)
}

function moveBottles(machine: Machine, from: Belt, to: Belt, dtS: number): number {
  machine.part += (machine.speedPerMin / 60) * dtS
  const wanted = Math.floor(machine.part)
  machine.part -= wanted
  const moved = Math.max(0, Math.min(wanted, from.bottles, to.capacity - to.bottles))
  from.bottles -= moved
  to.bottles += moved
  return moved
}
