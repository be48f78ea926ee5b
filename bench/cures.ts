import { parseArgs } from 'node:util'
import { cures } from './cures/all.ts'
import type { Cure } from './cures/cure.ts'
import { copyTree, type Verdict, verdictOf } from './cures/ward.ts'
import { endSoon } from './end.ts'

const usage = `npm run cures [TEXT…] -- [--list]
  Takes each cure of a known trap away, in a copy of this tree, and looks whether the test that guards it fails then, and passes with it.
  TEXT    only traps whose name has one of these texts in it
  --list  names the traps and their tests, and runs nothing
  Ctrl-C and SIGTERM end what runs and take the copy away.`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { list: { type: 'boolean' }, help: { type: 'boolean' } } })
  const wanted = cures.filter(({ trap }) => positionals.length === 0 || positionals.some((text) => trap.includes(text)))
  if (values.help || wanted.length === 0) {
    process.stderr.write(wanted.length === 0 ? `No trap has this in its name.\n${usage}\n` : `${usage}\n`)
    return values.help ? 0 : 2
  }
  if (values.list) {
    for (const { trap, test } of wanted) say(`${trap}\n    ${test.file}  ${test.title}`)
    return 0
  }
  const stop = new AbortController()
  let stoppedBy = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, (_: NodeJS.Signals, number: number) => {
      stoppedBy ||= number
      stop.abort()
    })
  }
  const unguarded = await examine(wanted, stop.signal)
  if (stoppedBy > 0) return 128 + stoppedBy // as a shell says of what a signal has ended
  return unguarded === 0 ? 0 : 1
}

async function examine(wanted: readonly Cure[], stop: AbortSignal): Promise<number> {
  await using tree = await copyTree()
  let unguarded = 0
  for (const cure of wanted) {
    const verdict = await verdictOf(tree, cure, stop)
    if (stop.aborted) return unguarded
    if (!verdict.isGuarded) unguarded++
    say(textOf(cure, verdict))
  }
  say(
    unguarded === 0
      ? `${wanted.length} of ${wanted.length} cures have a test that fails without them.`
      : `${unguarded} of ${wanted.length} cures are NOT guarded.`,
  )
  return unguarded
}

function textOf({ trap, test }: Cure, { isGuarded, why }: Verdict): string {
  return `${isGuarded ? 'guarded    ' : 'NOT GUARDED'}  ${trap}\n             ${test.file}  ${test.title}\n             ${why}`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exitCode = await main()
endSoon()
