import { Command, CommanderError, Option } from 'commander'
import packageFile from '../../package.json' with { type: 'json' }
import { Fault } from '../base/fault.ts'
import type { LogLevel } from '../base/log.ts'
import { addAccessCommands } from './access-commands.ts'
import { addEventCommands } from './event-commands.ts'
import { addFlowCommands } from './flow-commands.ts'
import { addLiveCommands } from './live-commands.ts'
import { refuseOfParents } from './meant-options.ts'
import type { Terminal } from './terminal.ts'
import { addToolCommands } from './tool-commands.ts'
import { example, type Wiring } from './wiring.ts'

/** Of every command: done · the answer is no · used wrongly · the daemon cannot be reached. */
const exitCodes = { done: 0, no: 1, usage: 2, unreachable: 3 } as const

type Result = Promise<number>

/** Runs one command line (without `node` and the script); the exit code. Never throws, never shows a stack. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = exitCodes.done
  const program = createProgram(terminal, async (result) => {
    code = await result
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    return exitCodeOf(error, terminal)
  }
}

function exitCodeOf(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage // it has said why itself
  if (error instanceof Fault) {
    terminal.error(`${error.message}  (${error.code})\n    ${error.remedy}\n`)
    if (error.code.endsWith('.option')) return exitCodes.usage
    if (error.code.startsWith('usage.')) return exitCodes.usage
    return error.code === 'daemon.unreachable' ? exitCodes.unreachable : exitCodes.no
  }
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const [why = ''] = String(message ?? error).split('\n') // below it Node names paths of its own
  terminal.error(`${why}\n    ${remedyOf(code)}\n`)
  return exitCodes.no
}

const fileRemedies: Readonly<Record<string, string>> = {
  EEXIST: 'Nothing is written over. Name another file, or take that one away.',
  ENOENT: 'Check the path: there is no such file or folder.',
  EACCES: 'Run this as a user who may, or name another file.',
  EISDIR: 'Name a file: that is a folder.',
}

function remedyOf(code: unknown): string {
  if (typeof code !== 'string') return 'Report this: it is a bug in Lineside.'
  if (code.endsWith('MODULE_NOT_FOUND')) return 'A part of Lineside is missing. Install it again: `npm ci` in its folder.'
  return code.startsWith('E')
    ? (fileRemedies[code] ?? 'Look at the file, its folder and the disk.')
    : 'Report this: it is a bug in Lineside.'
}

/** Each command loads its own code only when it is called: `check` must not wait for the daemon's libraries. */
function createProgram(terminal: Terminal, take: (result: Result) => Promise<void>): Command {
  const program = new Command('lineside')
    .description('Edge runtime for industrial controllers.')
    .version(packageFile.version)
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.error(text) })
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', exitCodeHelp)
    .hook('preAction', (_program, command) => refuseOfParents(command))
  addDaemonCommands(program, take)
  addLiveCommands(program, { terminal, take })
  addFlowCommands(program, { terminal, take })
  addEventCommands(program, { terminal, take })
  addSiteCommands(program, { terminal, take })
  addTrust(program, { terminal, take })
  addToolCommands(program, { terminal, take })
  addAccessCommands(program, { terminal, take })
  return program
}

const exitCodeHelp = `
Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 cannot reach the daemon or the device.`

function addDaemonCommands(program: Command, take: (result: Result) => Promise<void>): void {
  program
    .command('run')
    .description('runs the gateway of a site in the foreground')
    .argument('[site]', 'folder with lineside.yaml', '.')
    .addOption(new Option('--log-level <level>', 'what to log').choices(['debug', 'info', 'warn', 'error', 'silent']).default('info'))
    .addHelpText('after', example('lineside run /etc/lineside'))
    .action(async (site: string, options: { logLevel: LogLevel }) => {
      // The site takes longer to load than all of our code, so its process is on its way first.
      const { loadSiteApart } = await import('../site/load-apart.ts')
      const loading = loadSiteApart(site)
      loading.catch(() => {}) // met where it is awaited
      const { run } = await import('./run.ts')
      await take(run(loading, { ...options, folder: site }))
    })
  program
    .command('demo')
    .description('runs a simulated bottling line and its gateway')
    .option('--state <folder>', 'keep the state here instead of in a temporary folder')
    .addHelpText('after', example('lineside demo'))
    .action(async (options: { state?: string }) => {
      const { demo } = await import('./demo.ts')
      await take(demo(options))
    })
}

function addSiteCommands(program: Command, { terminal, take }: Wiring): void {
  program
    .command('init')
    .description('writes a small, commented site to begin with')
    .argument('<folder>', 'a folder that is new or empty')
    .addHelpText('after', example('lineside init line-1'))
    .action(async (folder: string) => {
      const { init } = await import('./init.ts')
      await take(init(folder, terminal))
    })
  program
    .command('check')
    .description('tells what is wrong with the files of a site, without touching network or state')
    .argument('[site]', 'folder with lineside.yaml', '.')
    .option('--json', 'print { isValid, problems } as JSON')
    .addHelpText('after', example('lineside check /etc/lineside'))
    .action(async (site: string, options: { json?: boolean }) => {
      const { check } = await import('./check.ts')
      await take(check(site, options, terminal))
    })
  program
    .command('schema')
    .description('prints the JSON Schema of a kind of site file, for editors')
    .argument('[name]', 'site, device, flow or flow-test; without it, the names are listed')
    .option('--out <folder>', 'write all of them into this folder')
    .addHelpText('after', example('lineside schema device > device.schema.json'))
    .action(async (name: string | undefined, options: { out?: string }) => {
      const { schema } = await import('./schema.ts')
      await take(schema(name, options, terminal))
    })
}

function addTrust(program: Command, { terminal, take }: Wiring): void {
  program
    .command('trust')
    .description('tells which OPC UA servers the devices of a site trust and which they refused; exit code 1 when one was refused')
    .argument(
      '[words...]',
      'nothing or SITE lists; DEVICE FINGERPRINT accepts that certificate; opc.tcp://… in place of a device: what browse and import trust',
    )
    .option('--site <folder>', 'folder with lineside.yaml', '.')
    .option('--json', 'print { devices } as JSON')
    .addHelpText(
      'after',
      example(
        'lineside trust /etc/lineside',
        'lineside trust press-07 3f2a… --site /etc/lineside',
        'lineside trust opc.tcp://10.1.7.20:4840 3f2a…',
      ),
    )
    .action(async (words: readonly string[], options: { site: string; json?: boolean }) => {
      const { trust } = await import('./trust.ts')
      await take(trust(words, options, terminal))
    })
}
