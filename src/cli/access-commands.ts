import { type Command, Option } from 'commander'
import type { PubOptions, SubOptions } from './mqtt.ts'
import type { AddUserOptions, PasswordChoice, UserPlace } from './user.ts'
import { wholeNumber } from './whole-number.ts'
import { example, type Wiring } from './wiring.ts'

/** Who may come in, and a look through the door. */
export function addAccessCommands(program: Command, wiring: Wiring): void {
  const user = program
    .command('user')
    .description('the users of a gateway: works on its state folder, whether it runs or not')
    .addHelpText(
      'after',
      example('lineside user add anna --role operator', 'lineside user list --site /etc/lineside', 'lineside user passwd admin'),
    )
  addUserAdd(user, wiring)
  addUserPasswd(user, wiring)
  addUserList(user, wiring)
  const mqtt = program
    .command('mqtt')
    .description('a look at an MQTT broker: that of the gateway on this machine, or any by --url')
    .addHelpText(
      'after',
      example(
        "lineside mqtt sub 'acme/#'",
        "lineside mqtt sub '#' --url mqtt://10.1.7.5:1883 --user anna",
        'lineside mqtt pub jobs/next 4711 --retain',
      ),
    )
  addMqttSub(mqtt, wiring)
  addMqttPub(mqtt, wiring)
}

function ofSite(command: Command): Command {
  return command.option('--site <folder>', 'folder with lineside.yaml', '.')
}

function withPassword(command: Command): Command {
  return command.option('--stdin', 'read the password from standard input').option('--random', 'make a password and show it once')
}

function addUserAdd(user: Command, { terminal, take }: Wiring): void {
  withPassword(ofSite(user.command('add')))
    .description('adds a user; asks for the password')
    .argument('<name>', 'letters, digits and . _ @ -')
    .addOption(new Option('--role <role>', 'what he may do').choices(['viewer', 'operator', 'engineer', 'admin']).default('viewer'))
    .option('--read <filter...>', 'may read these topics only')
    .option('--write <filter...>', 'may publish to these topics only')
    .option('--certificate <name...>', 'comes in by a client certificate of this name (subject or alternative name)')
    .option('--no-password', 'comes in by certificate alone')
    .addHelpText(
      'after',
      example(
        'lineside user add anna --role operator',
        'lineside user add scale-3 --certificate scale-3.plant.example --no-password --write "scales/3/#"',
      ),
    )
    .action(async (name: string, options: AddUserOptions) => {
      const { userAdd } = await import('./user.ts')
      await take(userAdd(name, options, terminal))
    })
}

function addUserPasswd(user: Command, { terminal, take }: Wiring): void {
  withPassword(ofSite(user.command('passwd')))
    .description('gives a user a new password')
    .argument('<name>')
    .addHelpText('after', example('lineside user passwd admin', 'lineside user passwd scale-3 --stdin < password.txt'))
    .action(async (name: string, options: UserPlace & PasswordChoice) => {
      const { userPasswd } = await import('./user.ts')
      await take(userPasswd(name, options, terminal))
    })
}

function addUserList(user: Command, { terminal, take }: Wiring): void {
  ofSite(user.command('list'))
    .description('lists the users and what they may do')
    .option('--json', 'print { users } as JSON')
    .addHelpText('after', example('lineside user list'))
    .action(async (options: UserPlace & { json?: boolean }) => {
      const { userList } = await import('./user.ts')
      await take(userList(options, terminal))
    })
  ofSite(user.command('remove'))
    .description('removes a user and closes his connections')
    .argument('<name>')
    .addHelpText('after', example('lineside user remove anna'))
    .action(async (name: string, options: UserPlace) => {
      const { userRemove } = await import('./user.ts')
      await take(userRemove(name, options, terminal))
    })
}

function onBroker(command: Command): Command {
  return command
    .option('--site <folder>', 'the gateway of this site, by its private socket: no user is needed')
    .option('--url <url>', 'any broker: mqtt://HOST:1883 or mqtts://HOST:8883')
    .option('--user <name>', 'with --url; the password is LINESIDE_MQTT_PASSWORD, or is asked for')
    .option('--stdin', 'read that password from standard input')
    .option('--ca <file>', 'PEM file of the authority that has signed the certificate of the broker')
}

function addMqttSub(mqtt: Command, { terminal, take }: Wiring): void {
  onBroker(mqtt.command('sub'))
    .description('shows the messages of some topics as they come, until Ctrl-C')
    .argument('<filter...>', "topics, with + and # as wildcards; '$SYS/#' for the broker's own counters")
    .option('--count <number>', 'end after so many messages', wholeNumber(1, 1_000_000_000))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', example("lineside mqtt sub 'acme/#'", "lineside mqtt sub '$SYS/broker/clients/#' --count 5"))
    .action(async (filters: readonly string[], options: SubOptions) => {
      const { mqttSub } = await import('./mqtt.ts')
      await take(mqttSub(filters, options, terminal))
    })
}

function addMqttPub(mqtt: Command, { terminal, take }: Wiring): void {
  onBroker(mqtt.command('pub'))
    .description('publishes one message with QoS 1')
    .argument('<topic>')
    .argument('<payload>')
    .option('--retain', 'the broker keeps it for those who subscribe later')
    .addHelpText('after', example('lineside mqtt pub acme/munich/packaging/line-1/press-07/recipe/setpoint/set 180'))
    .action(async (topic: string, payload: string, options: PubOptions) => {
      const { mqttPub } = await import('./mqtt.ts')
      await take(mqttPub(topic, payload, { ...options, terminal }))
    })
}
