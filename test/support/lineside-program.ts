import { runProgram } from '../../src/cli/program.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly error: string
}

interface Around {
  readonly environment?: NodeJS.ProcessEnv
  /** In place of Ctrl-C. */
  readonly stop?: AbortSignal
}

/** Runs the command line in this process, and keeps what it says. */
export async function lineside(
  args: readonly string[],
  { environment = {}, stop = new AbortController().signal }: Around = {},
): Promise<Ran> {
  const said = { out: '', error: '' }
  const terminal = {
    out: (text: string) => {
      said.out += text
    },
    error: (text: string) => {
      said.error += text
    },
    environment,
    stop,
  }
  const code = await runProgram(args, terminal)
  return { code, ...said }
}
