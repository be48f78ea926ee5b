import type { Line } from '../plant/line.ts'
import type { Utility } from '../plant/utility.ts'
import type { Point, RegisterMap } from './registers.ts'

function float(name: string, address: number, read: (utility: Utility) => number): Point {
  return { name, area: 'ir', address, type: 'f32', read: (line: Line) => read(line.utility) }
}

/** The meter of the line's supply: floats in input registers, as energy meters have them, answered by unit 5. */
export const meterRegisters: RegisterMap = {
  wordOrder: 'big',
  blocks: { ir: [[0, 49]], hr: [[0, 3]], di: [[0, 3]] },
  points: [
    float('voltage/l1', 0, (utility) => utility.voltageV[0]),
    float('voltage/l2', 2, (utility) => utility.voltageV[1]),
    float('voltage/l3', 4, (utility) => utility.voltageV[2]),
    float('current/l1', 6, (utility) => utility.currentA[0]),
    float('current/l2', 8, (utility) => utility.currentA[1]),
    float('current/l3', 10, (utility) => utility.currentA[2]),
    float('power/active', 12, (utility) => utility.powerKw),
    float('power/apparent', 14, (utility) => utility.powerKw / utility.powerFactor),
    float('power/factor', 16, (utility) => utility.powerFactor),
    float('frequency', 18, (utility) => utility.frequencyHz),
    float('thd', 20, (utility) => utility.thdPct),
    { name: 'energy/active', area: 'ir', address: 22, type: 'u64', read: (line) => line.utility.energyWh },
    float('air/pressure', 30, (utility) => utility.airBar),
    float('air/flow', 32, (utility) => utility.airM3PerH),
    float('water/flow', 34, (utility) => utility.waterM3PerH),
    float('co2/pressure', 36, (utility) => utility.co2Bar),
    float('glycol/supply', 38, (utility) => utility.glycolSupplyC),
    float('glycol/return', 40, (utility) => utility.glycolReturnC),
    { name: 'compressor/loaded', area: 'di', address: 0, type: 'bool', read: (line) => line.utility.isCompressorLoaded },
    {
      name: 'demand/exceeded',
      area: 'di',
      address: 1,
      type: 'bool',
      read: (line) => line.utility.powerKw > line.utility.demandLimitKw,
    },
    {
      name: 'demand/limit',
      area: 'hr',
      address: 0,
      type: 'f32',
      read: (line) => line.utility.demandLimitKw,
      write: {
        min: 10,
        max: 100,
        apply: (line, value) => {
          line.utility.demandLimitKw = value
        },
      },
    },
  ],
}
