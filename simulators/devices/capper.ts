import { areCapsLow } from '../plant/capper.ts'
import { packml } from '../plant/machine.ts'
import type { RegisterMap } from './registers.ts'

/** The capper's PLC: 32-bit values with the low word first, and a job number in BCD. */
export const capperRegisters: RegisterMap = {
  wordOrder: 'little',
  blocks: {
    hr: [
      [0, 31],
      [100, 107],
    ],
    co: [[0, 3]],
    di: [[0, 7]],
  },
  points: [
    { name: 'state', area: 'hr', address: 0, type: 'u16', read: (line) => line.capper.machine.state },
    { name: 'status/running', area: 'hr', address: 1, bit: 0, type: 'bool', read: (line) => line.capper.machine.speedPerMin > 0 },
    { name: 'status/starved', area: 'hr', address: 1, bit: 1, type: 'bool', read: (line) => line.capper.machine.isStarved },
    { name: 'status/blocked', area: 'hr', address: 1, bit: 2, type: 'bool', read: (line) => line.capper.machine.isBlocked },
    { name: 'status/caps-low', area: 'hr', address: 1, bit: 3, type: 'bool', read: (line) => areCapsLow(line.capper) },
    { name: 'reject/active', area: 'hr', address: 1, bit: 4, type: 'bool', read: (line) => line.capper.isRejecting },
    { name: 'torque/last', area: 'hr', address: 2, type: 'f32', read: (line) => line.capper.torqueNm },
    { name: 'torque/mean', area: 'hr', address: 4, type: 'f32', read: (line) => line.capper.torqueMeanNm },
    { name: 'bottles/capped', area: 'hr', address: 8, type: 'u32', read: (line) => line.capper.capped },
    { name: 'bottles/rejected', area: 'hr', address: 10, type: 'u32', read: (line) => line.capper.rejected },
    { name: 'hopper/level', area: 'hr', address: 12, type: 'u16', read: (line) => line.capper.hopperPct * 10 },
    { name: 'chute/level', area: 'hr', address: 13, type: 'u16', read: (line) => line.capper.chutePct * 10 },
    { name: 'head/temperature', area: 'hr', address: 14, type: 'i16', read: (line) => line.capper.headTemperatureC * 10 },
    { name: 'head/wear', area: 'hr', address: 15, type: 'u16', read: (line) => line.capper.wearPct * 100 },
    { name: 'head/last', area: 'hr', address: 16, type: 'u16', read: (line) => line.capper.lastHead },
    { name: 'speed/actual', area: 'hr', address: 17, type: 'f32', read: (line) => line.capper.machine.speedPerMin },
    { name: 'job/number', area: 'hr', address: 19, type: 'bcd32', read: (line) => line.capper.jobNumber },
    { name: 'air/pressure', area: 'hr', address: 21, type: 'u16', read: (line) => line.capper.airBar * 1_000 },
    { name: 'fault/code', area: 'hr', address: 22, type: 'u16', read: (line) => line.capper.machine.faultCode },
    {
      name: 'torque/setpoint',
      area: 'hr',
      address: 100,
      type: 'f32',
      read: (line) => line.capper.torqueSetpointNm,
      write: {
        min: 1.2,
        max: 2.4,
        apply: (line, value) => {
          line.capper.torqueSetpointNm = value
        },
      },
    },
    {
      name: 'torque/window',
      area: 'hr',
      address: 102,
      type: 'f32',
      read: (line) => line.capper.torqueWindowNm,
      write: {
        min: 0.1,
        max: 0.6,
        apply: (line, value) => {
          line.capper.torqueWindowNm = value
        },
      },
    },
    {
      name: 'load/limit',
      area: 'hr',
      address: 104,
      type: 'u16',
      read: (line) => line.capper.loadLimitPct,
      write: {
        min: 40,
        max: 100,
        apply: (line, value) => {
          line.capper.loadLimitPct = value
        },
      },
    },
    {
      name: 'fault/reset',
      area: 'co',
      address: 0,
      type: 'bool',
      read: () => false,
      write: {
        apply: (line, value) => {
          if (value !== 0) line.capper.machine.stopLeftS = 0
        },
      },
    },
    { name: 'guard/closed', area: 'di', address: 0, type: 'bool', read: (line) => line.capper.machine.state !== packml.aborted },
    { name: 'chute/sensor', area: 'di', address: 1, type: 'bool', read: (line) => line.capper.chutePct > 30 },
  ],
}
