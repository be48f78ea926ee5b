import type { Command } from 'commander'

/** The options of every command that asks a gateway which runs. */
export function onGateway(command: Command): Command {
  return command
    .option('--site <folder>', 'the site that runs on this machine (default: this folder, else the machine-wide one)')
    .option('--url <url>', 'a remote gateway, as http://10.1.7.5:8080; LINESIDE_TOKEN is its token')
    .option('--user <name>', 'a user of that gateway; the password is LINESIDE_PASSWORD, or asked for')
}
