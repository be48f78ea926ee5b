import { type Command, Option } from 'commander'
import { runStates } from '../model/run-state.ts'
import type { StatsOptions } from './flow-stats.ts'
import type { FlowsOptions, RunsOptions, StartOptions } from './flows.ts'
import { refuseOthers } from './meant-options.ts'
import { onGateway } from './on-gateway.ts'
import type { PipelineOptions } from './pipeline.ts'
import type { RecordOptions } from './record.ts'
import type { ReplayOptions } from './replay.ts'
import type { TestOptions } from './test.ts'
import { example, type Wiring } from './wiring.ts'

/** For examples: the whole id is asked for. */
const someRun = '5c1f0b9e-6a52-4f0e-9d59-0d7c1b1c8f3e'

/** The commands that look at flows, begin them and steer their runs. */
export function addFlowCommands(program: Command, { terminal, take }: Wiring): void {
  const shown = onGateway(program.command('flows'))
    .description('shows the flows of a running gateway: what runs, waits, and how it ended')
    .option('--json', 'print the rows as JSON')
    .addHelpText('after', example('lineside flows'))
    .action(async (options: FlowsOptions) => {
      const { flows } = await import('./flows.ts')
      await take(flows(options, terminal))
    })
  addStats(shown, { terminal, take })
  onGateway(program.command('runs'))
    .description('shows runs of flows, or one with all its records, or lets an engineer bring one in order')
    .argument(
      '[words...]',
      'nothing lists; RUN shows one; settle RUN; retry RUN STEP; skip RUN STEP; answer RUN STEP approved|rejected|done|failed|repeat',
    )
    .option('--flow <flow>', 'those of one flow')
    .addOption(new Option('--state <state>', 'those that go on, or that ended so').choices([...runStates]))
    .option('--why <text>', 'the reason, for the journal')
    .option('--json', 'print them as JSON')
    .addHelpText('after', example('lineside runs --state unsettled', `lineside runs settle ${someRun} --why 'gate closed by hand'`))
    .action(async (words: readonly string[], options: RunsOptions, command: Command) => {
      const { runs, runsOptions } = await import('./flows.ts')
      refuseOthers(command, { meant: runsOptions(words), as: ['runs', ...words.slice(0, 1)].join(' ') })
      await take(runs(words, options, terminal))
    })
  onGateway(program.command('start'))
    .description('begins a run of a flow; 1 where it may not begin')
    .argument('<flow>', 'which')
    .option('--input <name=value...>', 'what its file asks for under `input:`')
    .option('--json', 'print { run } as JSON')
    .addHelpText('after', example('lineside start start-up --input speed=180'))
    .action(async (flow: string, options: StartOptions) => {
      const { start } = await import('./flows.ts')
      await take(start(flow, options, terminal))
    })
  addTest(program, { terminal, take })
  addRecording(program, { terminal, take })
  addPipeline(program, { terminal, take })
  for (const act of ['pause', 'resume', 'cancel'] as const) addSteering(program, act, { terminal, take })
}

function addPipeline(program: Command, { terminal, take }: Wiring): void {
  onGateway(program.command('pipeline'))
    .description('shows where the main sequence of the site stands, or starts, pauses, resumes or cancels it')
    .argument('[act]', 'start, pause, resume or cancel')
    .option('--input <name=value...>', 'of start: what `pipeline:` asks for under `input:`')
    .option('--why <text>', 'the reason, for the journal')
    .option('--no-undo', 'of cancel: leave the plant as it stands')
    .option('--json', 'print it as JSON')
    .addHelpText('after', example('lineside pipeline', 'lineside pipeline pause --why "shift meeting"'))
    .action(async (act: string | undefined, options: PipelineOptions, command: Command) => {
      const { pipeline, pipelineOptions } = await import('./pipeline.ts')
      refuseOthers(command, { meant: pipelineOptions(act), as: act === undefined ? 'pipeline' : `pipeline ${act}` })
      await take(pipeline(act, options, terminal))
    })
}

function addRecording(program: Command, { terminal, take }: Wiring): void {
  onGateway(program.command('record'))
    .description('records the changes of tags of a running gateway, for `lineside replay`')
    .requiredOption('--to <file>', 'a new file: one JSON line a change')
    .option('--for <time>', '10m, 8h; without it until Ctrl-C')
    .option('--filter <filter>', "only some tags: 'filler-1/#'")
    .addHelpText('after', example('lineside record --to shift.jsonl --for 8h'))
    .action(async (options: RecordOptions) => {
      const { record } = await import('./record.ts')
      await take(record(options, terminal))
    })
  program
    .command('replay')
    .description(
      'tells what a flow would have done with what was recorded, without a plant; with --was beside what it would have done before',
    )
    .argument('<files...>', 'what `lineside record` or `lineside events replay --to file:…` has written')
    .requiredOption('--flow <flow>', 'the flow')
    .option('--site <folder>', 'folder with lineside.yaml', '.')
    .option('--was <folder>', 'the site as it was, to compare with; 1 where they differ')
    .option('--was-flow <flow>', 'another flow to compare with')
    .option('--json', 'print all of it as JSON')
    .addHelpText('after', example('lineside replay shift.jsonl --flow reject-underfilled --was ../line-1-before'))
    .action(async (files: readonly string[], options: ReplayOptions) => {
      const { replayRecording } = await import('./replay.ts')
      await take(replayRecording(files, options, terminal))
    })
}

function addStats(flows: Command, { terminal, take }: Wiring): void {
  flows
    .command('stats')
    .description(
      'counts how the flows went, from the journal on this machine: how they ended, how long they took, where they waited, what was undone and decided',
    )
    .option('--since <when>', '7d for the last seven days, or a moment like 2026-11-21T02:30:00Z', '7d')
    .option('--until <when>', 'only what began before this moment')
    .option('--flow <flow>', 'only this one')
    .option('--site <folder>', 'the site whose journal it is (default: this folder, else the machine-wide one)')
    .option('--json', 'print the rows as JSON')
    .addOption(new Option('--url <url>').hideHelp()) // to be told why not
    .addHelpText('after', example('lineside flows stats --since 30d --flow reject-underfilled'))
    .action(async (_options: StatsOptions, command: Command) => {
      const { stats } = await import('./flow-stats.ts')
      await take(stats(command.optsWithGlobals<StatsOptions>(), terminal))
    })
}

function addTest(program: Command, { terminal, take }: Wiring): void {
  program
    .command('test')
    .description('carries out the tests of the flows, flows/*.test.yaml, in virtual time and without a plant')
    .argument('[site]', 'folder with lineside.yaml', '.')
    .option('--flow <name>', 'only those of this flow')
    .option('--case <text>', 'only those with this in their name')
    .option('--json', 'print { isPassed, results } as JSON')
    .option('--junit <file>', 'write a report for build servers')
    .addHelpText('after', example('lineside test /etc/lineside', 'lineside test --flow reject-underfilled --case power'))
    .action(async (site: string, options: TestOptions) => {
      const { test } = await import('./test.ts')
      await take(test(site, options, terminal))
    })
}

const sentences = {
  pause: 'holds a run up: no step begins any more, those under way end',
  resume: 'lets a run that was paused go on',
  cancel: 'ends a run, and undoes what it did unless --no-undo says otherwise',
} as const

function addSteering(program: Command, act: keyof typeof sentences, { terminal, take }: Wiring): void {
  const command = onGateway(program.command(act))
    .description(sentences[act])
    .argument('<run>', 'as `lineside runs` shows it')
    .option('--why <text>', 'the reason, for the journal')
    .option('--json', 'print the run as JSON')
    .addHelpText('after', example(`lineside ${act} ${someRun}`))
    .action(async (run: string, options: RunsOptions) => {
      const { steer } = await import('./flows.ts')
      await take(steer(act, { run }, { options, terminal }))
    })
  if (act === 'cancel') command.option('--no-undo', 'leave the plant as it stands')
}
