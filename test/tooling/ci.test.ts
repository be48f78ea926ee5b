import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '../..')

/** A copy of CI with a stand-in for npm: `ci`, `test` and `run check` do what the test says. */
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lineside-ci-'))
  for (const part of ['.ci', 'scripts', 'bin']) mkdirSync(join(folder, part))
  copyFileSync(join(repository, '.ci/run'), join(folder, '.ci/run'))
  copyFileSync(join(repository, 'scripts/test-count.mjs'), join(folder, 'scripts/test-count.mjs'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Npm {
  readonly ci?: string
  readonly test: string
  readonly check?: string
}

async function ci({ ci = 'exit 0', test, check = 'exit 0' }: Npm): Promise<{ readonly code: number; readonly lastLine: string }> {
  const body = `for last; do :; done; out="\${last#--outputFile.json=}"
case "$1 $2" in 'ci '*) ${ci};; 'test '*) ${test};; 'run check') ${check};; *) exit 3;; esac`
  writeFileSync(join(folder, 'bin/npm'), `#!/bin/bash\n${body}\n`, { mode: 0o755 })
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}` }
  return await new Promise((resolve) => {
    const child = execFile('bash', [join(folder, '.ci/run')], { env, cwd: tmpdir() }, (_, stdout) =>
      resolve({ code: child.exitCode ?? -1, lastLine: stdout.trimEnd().split('\n').at(-1) ?? '' }),
    )
  })
}

function reported(counts: Record<string, unknown>): string {
  const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
  writeFileSync(report, JSON.stringify({ success: true, numPassedTests: 0, numFailedTests: 0, testResults: [], ...counts }))
  return `cp '${report}' "$out"`
}

describe('the CI script', () => {
  it('ends with the count of the tests', async () => {
    expect(await ci({ test: reported({ numPassedTests: 12 }) })).toEqual({ code: 0, lastLine: '12 passed, 0 failed' })
  })

  it('shows what was skipped', async () => {
    const counts = { numPassedTests: 12, numPendingTests: 2, numTodoTests: 1 }
    expect(await ci({ test: reported(counts) })).toEqual({ code: 0, lastLine: '12 passed, 0 failed, 3 skipped' })
  })

  it('fails with the tests', async () => {
    const counts = { success: false, numPassedTests: 12, numFailedTests: 1 }
    expect(await ci({ test: `${reported(counts)}; exit 1` })).toEqual({ code: 1, lastLine: '12 passed, 1 failed' })
  })

  it('counts a file that could not be loaded as one failure', async () => {
    const counts = { success: false, numPassedTests: 12, testResults: [{ status: 'failed', assertionResults: [] }] }
    expect(await ci({ test: `${reported(counts)}; exit 1` })).toEqual({ code: 1, lastLine: '12 passed, 1 failed' })
  })

  it('fails when no test ran', async () => {
    expect(await ci({ test: reported({}) })).toEqual({ code: 1, lastLine: '0 passed, 0 failed' })
  })

  it('fails when the tests could not begin, as with a missing system package', async () => {
    expect(await ci({ test: 'exit 1' })).toEqual({ code: 1, lastLine: '0 passed, 0 failed' })
  })

  it('fails with the checks, and still counts the tests', async () => {
    expect(await ci({ test: reported({ numPassedTests: 12 }), check: 'exit 2' })).toEqual({ code: 1, lastLine: '12 passed, 0 failed' })
  })

  it('fails when the installation does', async () => {
    expect(await ci({ ci: 'exit 1', test: reported({ numPassedTests: 12 }) })).toMatchObject({ code: 1 })
  })
})

describe('the npm scripts', () => {
  it('install the system packages before the tests, and check types, style, imports and unused code', () => {
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    expect(scripts['pretest']).toContain('scripts/system-packages.sh')
    expect(['types', 'style', 'imports', 'unused'].filter((part) => !scripts['check']?.includes(`check:${part}`))).toEqual([])
  })
})
