import { packml } from '../plant/machine.ts'
import { currentLayer, isOutfeedFull } from '../plant/palletiser.ts'
import type { RegisterMap } from './registers.ts'

/** The palletiser's PLC shows its values as input registers. */
export const palletiserRegisters: RegisterMap = {
  wordOrder: 'big',
  blocks: { hr: [[0, 7]], ir: [[0, 31]], co: [[0, 3]], di: [[0, 7]] },
  points: [
    { name: 'state', area: 'ir', address: 0, type: 'u16', read: (line) => line.palletiser.machine.state },
    { name: 'status/running', area: 'ir', address: 1, bit: 0, type: 'bool', read: (line) => line.palletiser.machine.speedPerMin > 0 },
    { name: 'status/starved', area: 'ir', address: 1, bit: 1, type: 'bool', read: (line) => line.palletiser.machine.isStarved },
    { name: 'status/held', area: 'ir', address: 1, bit: 2, type: 'bool', read: (line) => line.palletiser.machine.state === packml.held },
    { name: 'layer/current', area: 'ir', address: 2, type: 'u16', read: (line) => currentLayer(line.palletiser) },
    { name: 'infeed/bottles', area: 'ir', address: 3, type: 'u16', read: (line) => line.belts.toPalletiser.bottles },
    { name: 'cases/on-pallet', area: 'ir', address: 4, type: 'u16', read: (line) => line.palletiser.casesOnPallet },
    { name: 'cases/total', area: 'ir', address: 5, type: 'u32', read: (line) => line.palletiser.cases },
    { name: 'pallets/total', area: 'ir', address: 7, type: 'u32', read: (line) => line.palletiser.pallets },
    { name: 'gripper/x', area: 'ir', address: 9, type: 'f32', read: (line) => line.palletiser.gripperXM },
    { name: 'gripper/z', area: 'ir', address: 11, type: 'f32', read: (line) => line.palletiser.gripperZM },
    { name: 'gripper/vacuum', area: 'ir', address: 13, type: 'i16', read: (line) => line.palletiser.vacuumMbar },
    { name: 'outfeed/pallets', area: 'ir', address: 14, type: 'u16', read: (line) => line.palletiser.outfeed },
    { name: 'magazine/pallets', area: 'ir', address: 15, type: 'u16', read: (line) => line.palletiser.magazine },
    { name: 'wrapper/film', area: 'ir', address: 16, type: 'f32', read: (line) => line.palletiser.filmM },
    { name: 'speed/actual', area: 'ir', address: 18, type: 'f32', read: (line) => line.palletiser.machine.speedPerMin },
    { name: 'outfeed/full', area: 'di', address: 0, type: 'bool', read: (line) => isOutfeedFull(line.palletiser) },
    { name: 'gate/closed', area: 'di', address: 1, type: 'bool', read: () => true },
    { name: 'light-curtain/ok', area: 'di', address: 2, type: 'bool', read: () => true },
    {
      name: 'pattern/layers',
      area: 'hr',
      address: 0,
      type: 'u16',
      read: (line) => line.palletiser.layersWanted,
      write: {
        min: 1,
        max: 6,
        apply: (line, value) => {
          line.palletiser.layersWanted = value
        },
      },
    },
    {
      name: 'speed/override',
      area: 'hr',
      address: 1,
      type: 'u16',
      read: (line) => line.palletiser.speedOverridePct,
      write: {
        min: 10,
        max: 100,
        apply: (line, value) => {
          line.palletiser.speedOverridePct = value
        },
      },
    },
    {
      name: 'load/limit',
      area: 'hr',
      address: 2,
      type: 'u16',
      read: (line) => line.palletiser.loadLimitPct,
      write: {
        min: 40,
        max: 100,
        apply: (line, value) => {
          line.palletiser.loadLimitPct = value
        },
      },
    },
    {
      name: 'pallet/release',
      area: 'co',
      address: 0,
      type: 'bool',
      read: (line) => line.palletiser.isReleaseRequested,
      write: {
        apply: (line, value) => {
          line.palletiser.isReleaseRequested = value !== 0
        },
      },
    },
  ],
}
