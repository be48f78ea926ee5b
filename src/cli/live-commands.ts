import type { Command } from 'commander'
import type { ReadOptions } from './read.ts'
import type { TagsOptions } from './tags.ts'
import type { UpstreamCommandOptions } from './upstream.ts'
import { example, type Wiring } from './wiring.ts'
import type { WriteOptions } from './write.ts'

/** The commands that look at and write to a gateway that runs. */
export function addLiveCommands(program: Command, { terminal, take }: Wiring): void {
  onGateway(program.command('tags'))
    .description('shows the tags of a running gateway: value, unit, quality, since when, and why one is not good')
    .argument('[glob]', "which: press-07, 'press-07/**', '*temp*'; without it, all")
    .option('--json', 'print the rows as JSON; with --watch one a line')
    .option('--watch', 'go on showing what changes, until Ctrl-C')
    .addHelpText('after', example("lineside tags 'press-07/**' --watch"))
    .action(async (glob: string | undefined, options: TagsOptions) => {
      const { tags } = await import('./tags.ts')
      await take(tags(glob, options, terminal))
    })
  onGateway(program.command('read'))
    .description('shows one value; 1 when it is bad or stale')
    .argument('<tag>', 'DEVICE/TAG')
    .option('--json', 'print all that is known of the tag as JSON')
    .addHelpText('after', example('lineside read press-07/hydraulics/pressure'))
    .action(async (tag: string, options: ReadOptions) => {
      const { read } = await import('./read.ts')
      await take(read(tag, options, terminal))
    })
  onGateway(program.command('write'))
    .description('writes one value to its device and tells how that ended; 1 unless it is done')
    .argument('<tag>', 'DEVICE/TAG')
    .argument('<value>', "21.5, true, 0x1f, text, or an array as '[1, 2]'")
    .option('--json', 'print the result as JSON')
    .addHelpText('after', example('lineside write press-07/recipe/setpoint 180'))
    .action(async (tag: string, value: string, options: WriteOptions) => {
      const { write } = await import('./write.ts')
      await take(write(tag, value, options, terminal))
    })
  onGateway(program.command('upstream'))
    .description('shows the brokers above a running gateway: connection, what waits, and whether anything is missing; 1 if so')
    .argument('[name]', 'which; without it, all')
    .option('--json', 'print all that is known of them as JSON')
    .addHelpText('after', example('lineside upstream plant'))
    .action(async (name: string | undefined, options: UpstreamCommandOptions) => {
      const { upstream } = await import('./upstream.ts')
      await take(upstream(name, options, terminal))
    })
}

export function onGateway(command: Command): Command {
  return command
    .option('--site <folder>', 'the site that runs on this machine (default: this folder, else the machine-wide one)')
    .option('--url <url>', 'a remote gateway, as http://10.1.7.5:8080; LINESIDE_TOKEN is its token')
    .option('--user <name>', 'a user of that gateway; the password is LINESIDE_PASSWORD, or asked for')
}
