import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { type Cure, sick } from './cure.ts'

const repository = join(import.meta.dirname, '..', '..')
const needed = ['bench', 'bin', 'devices', 'docs', 'flows', 'schemas', 'scripts', 'simulators', 'src', 'systemd', 'test']
const single = ['lineside.yaml', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'README.md']
/** A test that waits for a state that never comes ends by its own limit of a minute; one that hangs beyond all limits is ended here. */
const runMsMax = 180_000
/** Without its cure a test mostly waits for what never comes. It gets so much longer than with it, and at least this, but not its whole minute. */
const patience = 10
const patienceMsMin = 20_000

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
  await Promise.all(
    [...needed, ...single].map((name) => cp(join(repository, name), join(folder, name), { recursive: true, filter: isOurs })),
  )
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

function isOurs(path: string): boolean {
  return !path.includes('node_modules')
}

/** Runs the cure's test twice, with it and without; the tree is as it was afterwards. */
export async function verdictOf({ folder }: Tree, { edits, test }: Cure): Promise<Verdict> {
  const begunMs = performance.now()
  const healthy = await runTest(folder, test)
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
    const { status, why } = await runTest(folder, test, ['--testTimeout', String(limitMs)])
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

async function runTest(folder: string, { file, title }: Cure['test'], more: readonly string[] = []): Promise<Outcome> {
  const report = join(folder, '.report', 'vitest.json')
  await rm(dirname(report), { recursive: true, force: true })
  await mkdir(dirname(report))
  const args = ['run', file, '--testNamePattern', RegExp.escape(title), '--reporter=json', `--outputFile=${report}`, ...more]
  const run = promisify(execFile)(process.execPath, [join('node_modules', 'vitest', 'vitest.mjs'), ...args], {
    cwd: folder,
    timeout: runMsMax,
    maxBuffer: 64 * 2 ** 20,
  })
  const ended = await run.then(
    () => 'no such test',
    (error: Error) => firstLine(error.message),
  )
  const text = await readFile(report, 'utf8').catch(() => undefined)
  if (text === undefined) return { status: 'did not run', why: ended }
  return outcomeOf(reportShape.parse(JSON.parse(text)), ended)
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
