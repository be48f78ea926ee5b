import { frequencyHz } from '../plant/conveyor.ts'
import { packml } from '../plant/machine.ts'
import type { RegisterMap } from './registers.ts'

/** The infeed's drive and its small PLC: scaled integers, as drives have them. */
export const infeedRegisters: RegisterMap = {
  wordOrder: 'big',
  blocks: { hr: [[0, 31]], co: [[0, 7]], di: [[0, 7]] },
  points: [
    { name: 'state', area: 'hr', address: 0, type: 'u16', read: (line) => line.infeed.machine.state },
    { name: 'drive/frequency', area: 'hr', address: 1, type: 'u16', read: (line) => frequencyHz(line.infeed) * 100 },
    { name: 'drive/current', area: 'hr', address: 2, type: 'u16', read: (line) => line.infeed.currentA * 100 },
    { name: 'drive/torque', area: 'hr', address: 3, type: 'i16', read: (line) => line.infeed.torquePct * 10 },
    { name: 'drive/temperature', area: 'hr', address: 4, type: 'i16', read: (line) => line.infeed.temperatureC * 10 },
    { name: 'drive/dc-bus', area: 'hr', address: 5, type: 'u16', read: (line) => line.infeed.dcBusV },
    { name: 'bottles/in', area: 'hr', address: 6, type: 'u32', read: (line) => line.infeed.bottlesIn },
    { name: 'speed/actual', area: 'hr', address: 8, type: 'u16', read: (line) => line.infeed.machine.speedPerMin * 10 },
    {
      name: 'accumulation/level',
      area: 'hr',
      address: 9,
      type: 'u16',
      read: (line) => (line.belts.toFiller.bottles / line.belts.toFiller.capacity) * 1_000,
    },
    { name: 'drive/run-time', area: 'hr', address: 10, type: 'u32', read: (line) => line.infeed.runSeconds },
    { name: 'status/running', area: 'hr', address: 12, bit: 0, type: 'bool', read: (line) => line.infeed.machine.speedPerMin > 0 },
    { name: 'status/ready', area: 'hr', address: 12, bit: 1, type: 'bool', read: (line) => line.infeed.machine.state !== packml.aborted },
    { name: 'status/fault', area: 'hr', address: 12, bit: 2, type: 'bool', read: (line) => line.infeed.machine.faultCode !== 0 },
    { name: 'status/blocked', area: 'hr', address: 12, bit: 3, type: 'bool', read: (line) => line.infeed.machine.isBlocked },
    { name: 'fault/code', area: 'hr', address: 13, type: 'u16', read: (line) => line.infeed.machine.faultCode },
    {
      name: 'speed/setpoint',
      area: 'hr',
      address: 20,
      type: 'u16',
      read: (line) => line.infeed.speedSetpointPerMin * 10,
      write: {
        min: 0,
        max: 2_400,
        apply: (line, value) => {
          line.infeed.speedSetpointPerMin = value / 10
        },
      },
    },
    {
      name: 'hold',
      area: 'co',
      address: 0,
      type: 'bool',
      read: (line) => line.infeed.isHeld,
      write: {
        apply: (line, value) => {
          line.infeed.isHeld = value !== 0
        },
      },
    },
    {
      name: 'fault/reset',
      area: 'co',
      address: 1,
      type: 'bool',
      read: () => false, // a push button: it springs back
      write: {
        apply: (line, value) => {
          if (value !== 0) line.infeed.machine.stopLeftS = 0
        },
      },
    },
    { name: 'photoeye/infeed', area: 'di', address: 0, type: 'bool', read: (line) => line.infeed.isInfeedSeen },
    { name: 'photoeye/outfeed', area: 'di', address: 1, type: 'bool', read: (line) => line.infeed.isOutfeedSeen },
    { name: 'estop/ok', area: 'di', address: 2, type: 'bool', read: () => true },
    { name: 'guard/closed', area: 'di', address: 3, type: 'bool', read: (line) => line.infeed.machine.state !== packml.aborted },
  ],
}
