import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import { plainFault } from '../base/fault.ts'
import type { Metric } from '../base/metric.ts'
import type { BatchRoad, CommandRoad, ControlCalls } from '../control/contract.ts'
import type { Command, CommandBatch, CommandResult } from '../model/command.ts'
import { RefusedCommands, type RefusedCommandsOptions } from './refused-commands.ts'

interface RoadPorts extends RefusedCommandsOptions {
  readonly control: Pick<Door<ControlCalls>, 'call' | 'isOpen'>
  readonly clock: Clock
}

interface NorthRoad extends CommandRoad, BatchRoad {
  metrics(): readonly Metric[]
}

/** The way down to control. When control cannot be asked, nothing was sent to the plant: that is a refusal, except when the answer was lost on the way. */
export function commandRoad({ control, clock, record }: RoadPorts): NorthRoad {
  const refused = new RefusedCommands({ record, clock })
  const ask = async <Answer>(commands: readonly Command[], call: () => Promise<Answer>, lost: (results: CommandResult[]) => Answer) => {
    const started = clock.elapsed()
    const wasOpen = control.isOpen
    try {
      return await call()
    } catch (error) {
      const { code, message, remedy } = plainFault(error)
      const status = wasOpen && code !== 'door.busy' ? 'unknown' : 'refused'
      const tookMs = Math.round(clock.elapsed() - started)
      if (status === 'refused') for (const command of commands) refused.note({ ...command, code, message, remedy })
      return lost(commands.map(({ id }): CommandResult => ({ id, status, code, message, remedy, tookMs })))
    }
  }
  return {
    write: (command) =>
      ask(
        [command],
        () => control.call('write', command),
        ([result]) => result as CommandResult,
      ),
    writeAll: (batch: CommandBatch) =>
      ask<readonly CommandResult[]>(
        batch.commands,
        () => control.call('writeAll', batch),
        (results) => results,
      ),
    noteRefused: (one) => refused.note(one),
    metrics: () => refused.metrics(),
  }
}
