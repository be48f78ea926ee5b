import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/base/fault.ts'
import type { Command } from '../../src/model/command.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import type { RefusedCommand } from '../../src/model/refused-command.ts'
import { asTagId } from '../../src/model/tag.ts'
import { commandRoad } from '../../src/north/command-road.ts'
import { RefusedCommands } from '../../src/north/refused-commands.ts'
import { startManualClock } from '../support/manual-clock.ts'

const by = { road: 'mqtt', name: 'hmi-1', role: 'viewer' } as const
const wish: RefusedCommand = { tag: 'press/setpoint', value: 5, by, code: 'access.role', message: 'No.', remedy: 'Ask.' }

function startRefusing() {
  const clock = startManualClock()
  const journal: SiteEvent[] = []
  const refused = new RefusedCommands({ record: (event) => journal.push(event), clock })
  const metric = (name: string) => refused.metrics().find((one) => one.name === name)?.value
  return { clock, journal, refused, metric }
}

describe('what a door refuses', () => {
  it('stands in the journal as what the road refuses', () => {
    const { journal, refused } = startRefusing()
    refused.note({ ...wish, id: 'job-1' })
    const data = { id: 'job-1', value: 5, by, status: 'refused', code: 'access.role', message: 'No.', remedy: 'Ask.', asked: false }
    expect(journal).toMatchObject([{ type: 'command.refused', subject: 'press/setpoint', data }])
  })

  it('is bounded, however much of it there is, and counted', async () => {
    const { journal, refused, clock, metric } = startRefusing()
    for (let count = 0; count < 100_000; count += 1) refused.note({ ...wish, tag: 'x'.repeat(5_000) })
    expect(journal).toHaveLength(10)
    expect(JSON.stringify(journal).length).toBeLessThan(10_000)
    await clock.advance(1_000)
    refused.note(wish)
    expect(journal.at(-1)?.data).toMatchObject({ unrecordedBefore: 99_990 })
    expect(metric('lineside_door_commands_refused_total')).toBe(100_001)
    expect(metric('lineside_door_commands_unrecorded_total')).toBe(99_990)
  })

  it('is also what control has no room for, and not what may have reached it', async () => {
    const { journal, clock } = startRefusing()
    let code = 'door.busy'
    const call = () => Promise.reject(new Fault(code, 'Not now.', { remedy: 'Wait.' }))
    const road = commandRoad({ control: { call, isOpen: true } as never, clock, record: (event) => journal.push(event) })
    const command: Command = { id: 'a', tag: asTagId('press/setpoint'), value: 5, by }
    expect(await road.write(command)).toMatchObject({ status: 'refused' })
    code = 'door.closed'
    expect(await road.write(command)).toMatchObject({ status: 'unknown' })
    expect(journal).toMatchObject([{ data: { id: 'a', code: 'door.busy' } }])
  })
})
