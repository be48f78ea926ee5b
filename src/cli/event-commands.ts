import type { Command } from 'commander'
import type { DeadOptions, EventsOptions, ReplayOptions } from './events.ts'
import { onGateway } from './on-gateway.ts'
import type { RoutesOptions } from './routes.ts'
import { wholeNumber } from './whole-number.ts'
import { example, type Wiring } from './wiring.ts'

const limitMax = 1_000_000

/** What happened, what could not be delivered, and what goes from where to where. */
export function addEventCommands(program: Command, wiring: Wiring): void {
  const { terminal, take } = wiring
  const events = onGateway(program.command('events'))
    .description('shows what happened, also while the gateway does not run; 1 when nothing matches')
    .option('--type <types...>', "only of these types: device.lost, 'flow.*'")
    .option('--subject <subject>', "only of this subject: press-07, 'press-07/*'")
    .option('--since <when>', '1h for an hour ago, or a moment like 2026-11-21T02:30:00Z')
    .option('--until <when>', 'before this moment')
    .option('--limit <count>', 'at most so many, the newest', wholeNumber(1, limitMax), 100)
    .option('--follow', 'go on showing what happens, until Ctrl-C')
    .option('--json', 'print CloudEvents, one a line')
    .addHelpText('after', example("lineside events --type 'device.*' --since 1d", 'lineside events --follow'))
    .action(async (options: EventsOptions) => {
      const { events: show } = await import('./events.ts')
      await take(show(options, terminal))
    })
  addDead(events, wiring)
  addReplay(events, wiring)
  onGateway(program.command('routes'))
    .description('shows what each route has carried and what holds it up; 1 when one does not reach its target')
    .option('--json', 'print all that is known of them as JSON')
    .addHelpText('after', example('lineside routes'))
    .action(async (options: RoutesOptions) => {
      const { routes } = await import('./routes.ts')
      await take(routes(options, terminal))
    })
}

function addDead(events: Command, { terminal, take }: Wiring): void {
  onGateway(events.command('dead'))
    .description('shows what routes could not deliver and why; 1 when there is any')
    .option('--route <route>', 'only of this route')
    .option('--retry <letters>', 'send these on their way again: 7, 7,8 or all')
    .option('--discard <letters>', 'throw these away: 7, 7,8 or all')
    .option('--json', 'print them as JSON, one a line')
    .addHelpText('after', example('lineside events dead', 'lineside events dead --route to-mes --retry all'))
    .action(async (_options: DeadOptions, command: Command) => {
      const { deadLetters } = await import('./events.ts')
      await take(deadLetters(command.optsWithGlobals<DeadOptions>(), terminal))
    })
}

function addReplay(events: Command, { terminal, take }: Wiring): void {
  onGateway(events.command('replay'))
    .description('plays what happened to a topic, a file or a flow once more, oldest first, each event with its own id')
    .requiredOption('--from <when>', '1h for an hour ago, or a moment like 2026-11-21T02:30:00Z')
    .requiredOption('--to <target>', 'topic:NAME of the embedded broker, file:PATH, or flow:NAME')
    .option('--until <when>', 'only what was before this moment')
    .option('--type <types...>', "only of these types: device.lost, 'flow.*'")
    .option('--subject <subject>', "only of this subject: press-07, 'press-07/*'")
    .addHelpText('after', example('lineside events replay --from 1d --to file:yesterday.jsonl'))
    .action(async (_options: ReplayOptions, command: Command) => {
      const { replayEvents } = await import('./events.ts')
      await take(replayEvents(command.optsWithGlobals<ReplayOptions>(), terminal))
    })
}
