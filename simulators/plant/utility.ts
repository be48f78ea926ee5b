import { type Chance, clamp, wander } from './chance.ts'

/** What the line is fed with: power behind its meter, compressed air, water, CO2 and cold glycol. */
export interface Utility {
  readonly voltageV: [number, number, number]
  readonly currentA: [number, number, number]
  powerKw: number
  powerFactor: number
  frequencyHz: number
  thdPct: number
  energyWh: number
  demandLimitKw: number
  airBar: number
  airM3PerH: number
  isCompressorLoaded: boolean
  waterM3PerH: number
  co2Bar: number
  glycolSupplyC: number
  glycolReturnC: number
}

const airLowBar = 6.3
const airHighBar = 7.1

export function createUtility(): Utility {
  return {
    voltageV: [230, 231, 229],
    currentA: [41, 42, 40],
    powerKw: 27,
    powerFactor: 0.93,
    frequencyHz: 50,
    thdPct: 3.1,
    energyWh: 918_273_645,
    demandLimitKw: 45,
    airBar: 6.8,
    airM3PerH: 62,
    isCompressorLoaded: false,
    waterM3PerH: 1.4,
    co2Bar: 5,
    glycolSupplyC: -2,
    glycolReturnC: 1.5,
  }
}

/** `speedsPerMin`: of the five machines, for what they draw. */
export function stepUtility(utility: Utility, speedsPerMin: readonly number[], dtS: number, chance: Chance): void {
  const load = speedsPerMin.reduce((sum, speed) => sum + speed, 0) / (speedsPerMin.length * 180)
  stepAir(utility, load, dtS, chance)
  stepPower(utility, load, dtS, chance)
  utility.waterM3PerH = Math.max(0, wander(utility.waterM3PerH, { mean: 0.2 + 1.3 * load, deviation: 0.06, tauS: 6 }, dtS, chance))
  utility.co2Bar = wander(utility.co2Bar, { mean: 5, deviation: 0.05, tauS: 40 }, dtS, chance)
  utility.glycolSupplyC = wander(utility.glycolSupplyC, { mean: -2, deviation: 0.25, tauS: 60 }, dtS, chance)
  utility.glycolReturnC = wander(
    utility.glycolReturnC,
    { mean: utility.glycolSupplyC + 1 + 2.6 * load, deviation: 0.1, tauS: 30 },
    dtS,
    chance,
  )
}

function stepAir(utility: Utility, load: number, dtS: number, chance: Chance): void {
  utility.airM3PerH = Math.max(0, wander(utility.airM3PerH, { mean: 8 + 55 * load, deviation: 1.2, tauS: 2 }, dtS, chance))
  if (utility.airBar < airLowBar) utility.isCompressorLoaded = true
  if (utility.airBar > airHighBar) utility.isCompressorLoaded = false
  const made = utility.isCompressorLoaded ? 120 : 0
  utility.airBar = clamp(utility.airBar + ((made - utility.airM3PerH) / 3_600) * 2 * dtS, 4, 9)
}

function stepPower(utility: Utility, load: number, dtS: number, chance: Chance): void {
  const meanKw = 6 + 14 * load + (utility.isCompressorLoaded ? 11 : 0.8)
  utility.powerKw = wander(utility.powerKw, { mean: meanKw, deviation: 0.35, tauS: 0.8 }, dtS, chance)
  utility.powerFactor = clamp(wander(utility.powerFactor, { mean: 0.88 + 0.06 * load, deviation: 0.004, tauS: 5 }, dtS, chance), 0.5, 1)
  utility.frequencyHz = wander(utility.frequencyHz, { mean: 50, deviation: 0.015, tauS: 8 }, dtS, chance)
  utility.thdPct = wander(utility.thdPct, { mean: 2.4 + load, deviation: 0.08, tauS: 4 }, dtS, chance)
  utility.energyWh += (utility.powerKw * 1_000 * dtS) / 3_600
  for (const phase of [0, 1, 2] as const) {
    utility.voltageV[phase] = wander(
      utility.voltageV[phase],
      { mean: 231 - phase * 0.6 - utility.powerKw * 0.03, deviation: 0.4, tauS: 3 },
      dtS,
      chance,
    )
    utility.currentA[phase] = (utility.powerKw * 1_000 * (1 + 0.02 * (phase - 1))) / (3 * utility.voltageV[phase] * utility.powerFactor)
  }
}
