import { type Command, Option } from 'commander'
import { conflictModes } from '../site/conflict-mode.ts'
import type { BrowseCommand } from './browse.ts'
import type { ExportCommand } from './export.ts'
import type { ImportCommand } from './import.ts'
import type { ProbeCommand } from './probe.ts'
import { wholeNumber } from './whole-number.ts'
import { example, type Wiring } from './wiring.ts'

const depthMax = 64
const trustModes = ['first-seen', 'any']

/** The engineer's tools: they talk to devices, but no daemon needs to run. */
export function addToolCommands(program: Command, wiring: Wiring): void {
  addBrowse(program, wiring)
  addProbe(program, wiring)
  addImport(program, wiring)
  addExport(program, wiring)
}

function addBrowse(program: Command, { terminal, take }: Wiring): void {
  program
    .command('browse')
    .description('shows the variables of an OPC UA server, or writes a device file or a table of them')
    .argument('<url>', 'opc.tcp://host:4840/path')
    .option('--user <name>', 'session of this user; its password is the secret named by --secret')
    .option('--secret <name>', 'read from LINESIDE_SECRET_NAME, like ${secret:NAME} in a device file')
    .option('--security <policy>', 'auto, None or like Basic256Sha256/SignAndEncrypt')
    .addOption(new Option('--trust <which>', 'of the server: the certificate it showed first, or any').choices([...trustModes]))
    .option('--timeout <duration>', 'how long one request may take')
    .option('--root <node>', 'begin here: a node id or a browse path (default: the Objects folder)')
    .option('--depth <levels>', `at most so many levels, up to ${depthMax}`, wholeNumber(1, depthMax), 32)
    .option('--include <glob...>', 'only variables whose path matches; * within a name, ** any levels')
    .option('--exclude <glob...>', 'not these; folders that match are not looked into')
    .option('--as-device <name>', 'write a device file')
    .option('--writable', 'give `write` to tags that the server lets us write; without it they are only marked')
    .addOption(new Option('--csv', 'write a table').conflicts(['json', 'asDevice']))
    .addOption(new Option('--json', 'write JSON').conflicts('asDevice'))
    .option('--out <file>', 'write to this file')
    .option('--force', 'write over a file that is there')
    .option('--resume <file>', 'keep the state here, and go on from it if it is there')
    .addHelpText(
      'after',
      example(
        'lineside browse opc.tcp://10.1.7.20:4840',
        'lineside browse opc.tcp://10.1.7.20:4840 --root /Objects/2:Line --as-device line-1 --out devices/line-1.yaml',
      ),
    )
    .action(async (url: string, options: Omit<BrowseCommand, 'url'>) => {
      const { browseCommand } = await import('./browse.ts')
      await take(browseCommand({ url, ...options }, terminal))
    })
}

function addProbe(program: Command, { terminal, take }: Wiring): void {
  program
    .command('probe')
    .description('shows the registers of a Modbus device as every type in every byte order, and proposes what they are; never writes')
    .argument('<url>', 'modbus-tcp://host:502?unit=1, modbus-rtu:///dev/ttyUSB0?baud=9600&unit=3 or modbus-rtu-tcp://host:4001')
    .option('--from <address>', 'where to begin: hr:0, ir:0, co:0 or di:0, as on the wire', 'hr:0')
    .option('--count <registers>', 'how many registers or bits', wholeNumber(1, 65_536), 100)
    .option('--samples <number>', 'look so often: what counts upwards shows only over time', wholeNumber(1, 100), 3)
    .option('--interval <duration>', 'between two looks', '500ms')
    .option('--pause <duration>', 'between two requests', '20ms')
    .option('--units <ids>', 'find out which of these units answer: 1-10 or 1,2,5')
    .option('--wide', 'show 64-bit types and BCD too')
    .option('--as-device <name>', 'write a device file of what is plausible')
    .addOption(new Option('--json', 'write JSON').conflicts('asDevice'))
    .option('--out <file>', 'write to this file')
    .option('--force', 'write over a file that is there')
    .addHelpText(
      'after',
      example(
        'lineside probe modbus-tcp://10.1.7.30:502?unit=1 --from hr:0 --count 100',
        'lineside probe modbus-tcp://10.1.7.30 --units 1-10',
      ),
    )
    .action(async (url: string, options: Omit<ProbeCommand, 'url'>) => {
      const { probeCommand } = await import('./probe.ts')
      await take(probeCommand({ url, ...options }, terminal))
    })
}

function addImport(program: Command, { terminal, take }: Wiring): void {
  program
    .command('import')
    .description('brings tags into a device: from a table, or the branches of its `import:` from its server')
    .argument('<device>', 'name of a device of the site')
    .addOption(new Option('--csv <file>', 'a table, one row a tag; without it the server is asked').conflicts('trust'))
    .addOption(
      new Option(
        '--conflicts <mode>',
        'what to do with tags that are there and differ (default: fail for a table, replace for branches)',
      ).choices([...conflictModes]),
    )
    .addOption(
      new Option('--trust <which>', 'of the server: the certificate it showed first, or any (default: as the device file says)').choices([
        ...trustModes,
      ]),
    )
    .option('--dry-run', 'only tell what would change')
    .option('--json', 'tell it as JSON')
    .option('--site <folder>', 'folder with lineside.yaml', '.')
    .addHelpText('after', example('lineside import press-07 --csv press-07.csv --conflicts replace', 'lineside import line-1'))
    .action(async (device: string, options: ImportCommand) => {
      const { importCommand } = await import('./import.ts')
      await take(importCommand(device, options, terminal))
    })
}

function addExport(program: Command, { terminal, take }: Wiring): void {
  program
    .command('export')
    .description('writes the tags of a device as a table, one row a tag')
    .argument('<device>', 'name of a device of the site')
    .option('--out <file>', 'write to this file')
    .option('--force', 'write over a file that is there')
    .addOption(new Option('--delimiter <character>', 'between the cells; Excel in many languages wants ;').choices([',', ';']).default(','))
    .option('--bom', 'mark the file as UTF-8 for Excel')
    .option('--site <folder>', 'folder with lineside.yaml', '.')
    .addHelpText('after', example('lineside export press-07 --out press-07.csv'))
    .action(async (device: string, options: ExportCommand) => {
      const { exportCommand } = await import('./export.ts')
      await take(exportCommand(device, options, terminal))
    })
}
