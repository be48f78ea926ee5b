import { describe, expect, it } from 'vitest'
import { createLine, type Line, stepLine } from '../../simulators/plant/line.ts'
import { packml } from '../../simulators/plant/machine.ts'
import { isOutfeedFull } from '../../simulators/plant/palletiser.ts'

/** The line each second, for as long as was asked. */
function watch<T>(line: Line, seconds: number, look: (line: Line) => T): T[] {
  return Array.from({ length: seconds }, () => {
    stepLine(line, 1)
    return look(line)
  })
}

describe('the bottling line', () => {
  it('is the same line again from the same seed', () => {
    const [one, other] = [createLine(7), createLine(7)]
    stepLine(one, 120)
    stepLine(other, 120)
    expect(one).toEqual({ ...other, chance: one.chance })
    expect(createLine(8).chance()).not.toBe(createLine(7).chance())
  })

  it('moves bottles from the infeed to the pallets, and loses none that was not rejected', () => {
    const line = createLine(1)
    const before = bottlesInside(line)
    line.utility.airBar = 7
    stepLine(line, 600)
    const out = line.capper.rejected + line.filler.rejected + packed(line)
    expect(line.infeed.bottlesIn).toBeGreaterThan(1_000)
    expect(before + line.infeed.bottlesIn - out).toBe(bottlesInside(line))
  })

  it('keeps the bowl near its setpoint while the supply is well, by moving the valve', () => {
    const line = createLine(3)
    line.filler.nextDipInS = 1_000
    const valves = watch(line, 35, ({ filler }) => filler.productValvePct)
    line.filler.levelSetpointPct = 50
    const levels = watch(line, 60, ({ filler }) => filler.levelPct)
    expect(new Set(valves).size).toBeGreaterThan(30)
    expect(levels.at(-1)).toBeGreaterThan(44)
    expect(levels.at(-1)).toBeLessThan(56)
  })

  it('lets the bowl run low while the product tank is changed, and fills it again afterwards', () => {
    const line = createLine(2)
    const levels = watch(line, 140, ({ filler }) => filler.levelPct)
    const low = levels.findIndex((level) => level < 45)
    expect(low).toBeGreaterThan(0)
    expect(Math.max(...levels.slice(low))).toBeGreaterThan(57)
  })

  it('raises the pressure above the product when the level squeezes the gas', () => {
    const line = createLine(4)
    line.filler.co2ValvePct = 0
    const before = line.filler.pressureBar
    line.filler.levelPct = 75
    stepLine(line, 0.3)
    expect(line.filler.pressureBar).toBeGreaterThan(before + 0.3)
  })

  it('weighs some bottles short, and pushes the last one off when asked', () => {
    const line = createLine(5)
    watch(line, 240, () => undefined)
    expect(line.filler.underfilled).toBeGreaterThan(2)
    expect(line.filler.underfilled).toBeLessThan(line.filler.filled / 20)
    line.filler.isRejectRequested = true
    stepLine(line, 0.05)
    expect(line.filler).toMatchObject({ rejected: 1, isRejectRequested: false })
  })

  it('stands still while it is held, and goes on when it is let go', () => {
    const line = createLine(1)
    line.infeed.isHeld = true
    stepLine(line, 5)
    expect(line.infeed.machine).toMatchObject({ state: packml.held, speedPerMin: 0 })
    line.infeed.isHeld = false
    line.infeed.machine.stopLeftS = 0
    stepLine(line, 5)
    expect(line.infeed.machine.speedPerMin).toBeGreaterThan(60)
  })

  it('stops at a full outfeed until the forklift was there', () => {
    const line = createLine(6)
    const states = watch(line, 900, ({ palletiser }) => ({ isFull: isOutfeedFull(palletiser), state: palletiser.machine.state }))
    expect(states.some(({ isFull, state }) => isFull && state === packml.held)).toBe(true)
    expect(states.some(({ isFull, state }) => !isFull && state === packml.execute)).toBe(true)
  })

  it('stops now and then for reasons of its own, and starts again by itself', () => {
    const line = createLine(9)
    const codes = new Set(
      watch(line, 1_800, (now) => [now.infeed, now.capper, now.labeller].map(({ machine }) => machine.faultCode)).flat(),
    )
    expect([...codes].toSorted((one, other) => one - other)).toEqual([0, 101, 201, 301])
    expect(line.labeller.labels).toBeGreaterThan(2_000)
  })

  it('stays within what its device files call normal, for long', () => {
    const line = createLine(11)
    const seen = watch(line, 2_400, ({ filler, utility, infeed }) => [
      filler.levelPct,
      filler.pressureBar,
      utility.airBar,
      infeed.temperatureC,
    ])
    for (const [level = -1, pressure = -1, air = -1, temperature = -1] of seen) {
      expect(level).toBeGreaterThanOrEqual(0)
      expect(level).toBeLessThanOrEqual(100)
      expect(pressure).toBeGreaterThan(0.5)
      expect(pressure).toBeLessThan(4)
      expect(air).toBeGreaterThan(6)
      expect(air).toBeLessThan(7.5)
      expect(temperature).toBeLessThan(90)
    }
  })
})

function bottlesInside({ belts }: Line): number {
  return belts.toFiller.bottles + belts.toCapper.bottles + belts.toLabeller.bottles + belts.toPalletiser.bottles
}

function packed({ palletiser }: Line): number {
  return palletiser.cases * 12 + palletiser.bottlesInCase
}

describe('the filler, when it is cleaned in place', () => {
  it('fills nothing, rinses, gets hot and caustic, and is clear again', () => {
    const line = createLine(6)
    line.infeed.isHeld = true
    stepLine(line, 40)
    const { cleaning } = line.filler
    cleaning.isActive = true
    const filled = line.filler.filled
    cleaning.bowl.step = cleaning.lines.step = 2
    stepLine(line, 25)
    expect(cleaning.bowl).toMatchObject({ temperatureC: expect.closeTo(76, -1), conductivityMsCm: expect.closeTo(78, -1) })
    cleaning.bowl.step = cleaning.lines.step = 3
    stepLine(line, 30)
    expect(Math.max(cleaning.bowl.conductivityMsCm, cleaning.lines.conductivityMsCm)).toBeLessThan(0.6)
    expect(line.filler.filled).toBe(filled)
    expect(line.filler.levelPct).toBeLessThan(15)
  })

  it('fills its bowl and bottles again once it is done', () => {
    const line = createLine(6)
    line.filler.cleaning.isActive = true
    stepLine(line, 30)
    const filled = line.filler.filled
    line.filler.cleaning.isActive = false
    line.filler.nextDipInS = 1_000
    stepLine(line, 120)
    expect(line.filler.filled).toBeGreaterThan(filled)
    expect(line.filler.levelPct).toBeGreaterThan(45)
    expect(line.filler.cleaning.bowl.step).toBe(0)
  })
})

describe('a machine whose power is limited', () => {
  it('runs slower, and the line draws less', () => {
    const speeds = [100, 40].map((limit) => {
      const line = createLine(9)
      line.capper.loadLimitPct = line.palletiser.loadLimitPct = limit
      const seen = watch(line, 120, ({ capper, palletiser, utility }) => [
        capper.machine.speedPerMin,
        palletiser.machine.speedPerMin,
        utility.powerKw,
      ])
      return [0, 1, 2].map((place) => seen.reduce((sum, row) => sum + (row[place] ?? 0), 0) / seen.length)
    })
    for (const place of [0, 1, 2]) expect(speeds[1]?.[place]).toBeLessThan(0.9 * (speeds[0]?.[place] ?? 0))
  })
})
