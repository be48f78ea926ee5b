import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { systemClock } from '../../src/base/clock.ts'
import { type Cure, sick } from './cure.ts'

const repository = join(import.meta.dirname, '..', '..')
const needed = ['bench', 'bin', 'devices', 'docs', 'flows', 'schemas', 'scripts', 'simulators', 'src', 'systemd', 'test']
const single = ['lineside.yaml', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'README.md']
/** A test that waits for a state that never comes ends by its own limit of a minute; one that hangs beyond all limits is ended here. */
const runMsMax = 180_000
/** Without its cure a test mostly waits for what never comes. It gets so much longer than with it, and at least this, but not its whole minute. */
const patience = 10
const patienceMsMin = 20_000
/** A test run that is asked to end may clean up so long. */
const endMsMax = 5_000

export interface Tree extends AsyncDisposable {
  readonly folder: string
}

export interface Verdict {
  readonly isGuarded: boolean
  /** One line: why the test failed without the cure, or what else happened. */
  readonly why: string
}

/** A copy of what tests need, in a folder of its own: nothing is ever taken away from the tree that somebody works in. */
export async function copyTree(): Promise<Tree> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-cures-'))
  await using copy = new AsyncDisposableStack() // a disk that is full while we copy is not left so
  copy.defer(() => rm(folder, { recursive: true, force: true }))
  await Promise.all(
    [...needed, ...single].map((name) => cp(join(repository, name), join(folder, name), { recursive: true, filter: isOurs })),
  )
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const tree = copy.move()
  return { folder, [Symbol.asyncDispose]: () => tree.disposeAsync() }
}

function isOurs(path: string): boolean {
  return !path.includes('node_modules')
}

/** Runs the cure's test twice, with it and without; the tree is as it was afterwards. With `stop` the run under way is ended; the verdict means nothing then. */
export async function verdictOf({ folder }: Tree, { edits, test }: Cure, stop?: AbortSignal): Promise<Verdict> {
  const begunMs = performance.now()
  const healthy = await runTest({ folder, stop }, test)
  const limitMs = Math.max(patienceMsMin, Math.ceil(patience * (performance.now() - begunMs)))
  if (healthy.status !== 'passed') return { isGuarded: false, why: `with its cure the test ${healthy.status}: ${healthy.why}` }
  const texts = new Map<string, string>()
  try {
    for (const edit of edits) {
      const path = join(folder, edit.file)
      const text = await readFile(path, 'utf8')
      if (!texts.has(path)) texts.set(path, text)
      await writeFile(path, sick(text, edit))
    }
    const { status, why } = await runTest({ folder, stop }, test, ['--testTimeout', String(limitMs)])
    return { isGuarded: status === 'failed', why: status === 'failed' ? why : `without its cure the test ${status}: ${why}` }
  } finally {
    for (const [path, text] of texts) await writeFile(path, text)
  }
}

interface Outcome {
  readonly status: 'passed' | 'failed' | 'did not run'
  readonly why: string
}

const reportShape = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() })),
    }),
  ),
})

interface Place {
  readonly folder: string
  readonly stop: AbortSignal | undefined
}

async function runTest({ folder, stop }: Place, { file, title }: Cure['test'], more: readonly string[] = []): Promise<Outcome> {
  const report = join(folder, '.report', 'vitest.json')
  await rm(dirname(report), { recursive: true, force: true })
  await mkdir(dirname(report))
  const args = ['run', file, '--testNamePattern', RegExp.escape(title), '--reporter=json', `--outputFile=${report}`, ...more]
  const ended = await endOf([join('node_modules', 'vitest', 'vitest.mjs'), ...args], { folder, stop })
  const text = stop?.aborted ? undefined : await readFile(report, 'utf8').catch(() => undefined)
  if (text === undefined) return { status: 'did not run', why: ended }
  return outcomeOf(reportShape.parse(JSON.parse(text)), ended)
}

/** How a program ended; it is a group of its own, so that its workers, and what those have started, end with it. */
async function endOf(args: readonly string[], { folder, stop }: Place): Promise<string> {
  if (stop?.aborted) return 'stopped'
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', detached: true })
  using last = new DisposableStack()
  const onLimit = (): void => {
    signalGroup(child, 'SIGTERM')
    last.use(systemClock.after(endMsMax, () => signalGroup(child, 'SIGKILL')))
  }
  const limit = AbortSignal.any([AbortSignal.timeout(runMsMax), ...(stop === undefined ? [] : [stop])])
  limit.addEventListener('abort', onLimit, { once: true })
  const [code, signal] = await once(child, 'exit')
  limit.removeEventListener('abort', onLimit)
  signalGroup(child, 'SIGKILL') // a worker that outlives its runner would go on in a folder that is taken away
  return code === 0 ? 'no such test' : `vitest ended with ${code ?? signal}`
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: all of them have ended
  }
}

/** A file that could not be loaded is no test that failed: its cure was taken away so badly that nothing is shown. */
function outcomeOf({ testResults }: z.infer<typeof reportShape>, ended: string): Outcome {
  const ran = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'passed' || status === 'failed')
  const failed = ran.find(({ status }) => status === 'failed')
  if (failed !== undefined) return { status: 'failed', why: firstLine(failed.failureMessages?.[0] ?? 'without a message') }
  if (ran.length > 0) return { status: 'passed', why: `${ran.length} ${ran.length === 1 ? 'test' : 'tests'}` }
  return { status: 'did not run', why: firstLine(testResults[0]?.message || ended) }
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  )
}
