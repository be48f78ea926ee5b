import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { asTagId, type TagValue } from '../../src/model/tag.ts'
import type { WriteOutcome } from '../../src/south/driver.ts'
import { lost, rejected, startRoad } from './road.ts'

const tags = ['press/setpoint', 'press/speed', 'oven/heat', 'press/running', 'press/nothing'] as const

/** What a device does with a call. */
const behaviour = fc.record({
  delayMs: fc.constantFrom(0, 1, 50, 700, 11_000, 60_000),
  takesOver: fc.boolean(),
  outcome: fc.constantFrom<WriteOutcome | undefined>(undefined, lost, rejected),
  throws: fc.constantFrom(false, false, false, true),
  quality: fc.constantFrom('good' as const, 'bad' as const),
})

const wish = fc.record({
  afterMs: fc.constantFrom(0, 0, 1, 30, 400),
  tags: fc.array(fc.constantFrom(...tags), { minLength: 1, maxLength: 3 }),
  value: fc.constantFrom<TagValue>(1, 2, 3, 1_000, 'x', Number.NaN),
  id: fc.constantFrom(undefined, undefined, 'same'),
  expiresAfterMs: fc.constantFrom(undefined, -1, 5, 20_000),
  isTogether: fc.boolean(),
})

describe('the command road, whatever devices and askers do', () => {
  it('answers every command once, sends none twice, never two of one tag at once, and calls done only what was seen', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(behaviour, { minLength: 1, maxLength: 6 }),
        fc.array(wish, { maxLength: 15 }),
        async (behaviours, wishes) => {
          const { road, command, clock, plant, oven, journal } = startRoad({ max: 500, stepMax: 400, ratePerSecondMax: 1_000 })
          let calls = 0
          const under = new Set<string>()
          const overlaps: number[] = []
          for (const [name, side] of Object.entries({ plant, oven })) {
            const write = side.device.write
            side.device.write = async (writes, signal) => {
              const { delayMs, takesOver, outcome, throws, quality } =
                behaviours[calls % behaviours.length] ?? behaviours[0] ?? expect.fail()
              calls += 1
              for (const { tag } of writes) {
                if (under.has(`${name}${tag}`)) overlaps.push(tag)
                under.add(`${name}${tag}`)
              }
              Object.assign(side, { takesOver, outcome, quality })
              try {
                if (delayMs > 0) await clock.sleep(delayMs, signal)
                if (throws) throw new TypeError('a bug in a driver')
                return await write(writes, signal)
              } finally {
                for (const { tag } of writes) under.delete(`${name}${tag}`)
              }
            }
          }
          const answers = wishes.map(async ({ afterMs, tags: wanted, value, id, expiresAfterMs, isTogether }) => {
            if (afterMs > 0) await clock.sleep(afterMs)
            const more = expiresAfterMs === undefined ? {} : { expiresMs: epochMs(clock.now() + expiresAfterMs) }
            const commands = wanted.map((tag) => command({ tag: asTagId(tag), value, ...(id === undefined ? {} : { id }), ...more }))
            const results = await road.writeAll({ commands, isTogether })
            expect(results.map((result) => result.id)).toEqual(commands.map((asked) => asked.id))
            return results
          })
          await clock.advance(400_000)
          const results = (await Promise.all(answers)).flat()
          expect(overlaps).toEqual([])
          const sent = [...plant.calls, ...oven.calls].flat().length
          const asked = journal.filter(({ type }) => type === 'command.asked')
          expect(sent).toBeLessThanOrEqual(asked.length)
          for (const { type, data } of journal) {
            if (type === 'command.done') expect(data['readBack']).toBe(data['value'])
          }
          const ended = journal.filter(({ type }) => type !== 'command.asked' && type !== 'command.refused').length
          const refusedAfter = asked.length - ended
          expect(refusedAfter).toBeGreaterThanOrEqual(0)
          expect(results.every(({ status, code }) => status === 'done' || code !== undefined)).toBe(true)
          expect(road.metrics().find(({ name }) => name === 'lineside_commands_under_way')?.value).toBe(0)
        },
      ),
      { numRuns: 60 },
    )
  })
})
