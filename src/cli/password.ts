import { createInterface } from 'node:readline'
import { Fault } from '../base/fault.ts'
import type { Terminal } from './terminal.ts'

/** The first line of standard input, or what somebody types without seeing it: twice where it is to be a new one. Throws `usage.password`. */
export async function passwordFrom(source: 'stdin' | 'terminal' | 'known', terminal: Terminal): Promise<string> {
  const input = terminal.input ?? process.stdin
  if (source === 'stdin') return await firstLine(input)
  if (input !== process.stdin || !process.stdin.isTTY) {
    throw new Fault('usage.password', 'There is no terminal to type a password on.', {
      remedy:
        source === 'known'
          ? 'Give it in the environment: the help of the command names the variable.'
          : 'Use --stdin and send the password in, or let --random make one.',
    })
  }
  const first = await typed('Password: ', terminal)
  if (source === 'known' || first === (await typed('Again: ', terminal))) return first
  throw new Fault('usage.password', 'The two are not the same.', { remedy: 'Try again.' })
}

async function firstLine(input: NodeJS.ReadableStream): Promise<string> {
  const lines = createInterface({ input })
  for await (const line of lines) return line
  throw new Fault('usage.password', 'Standard input held no password.', { remedy: 'Send one line: `… user passwd NAME --stdin < FILE`.' })
}

const end = new Set(['\r', '\n', '\u0004'])

/** Raw, so that the terminal shows nothing of it; Ctrl-C ends the process as ever. */
async function typed(prompt: string, terminal: Terminal): Promise<string> {
  const { stdin } = process
  terminal.error(prompt)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const take = (chunk: string): void => {
    for (const character of chunk) {
      if (character === '\u0003') reject(new Fault('usage.password', 'No password was given.', { remedy: 'Try again.' }))
      else if (end.has(character)) resolve(text)
      else text = character === '\u007f' || character === '\b' ? text.slice(0, -1) : text + character
    }
  }
  stdin.on('data', take)
  stdin.resume()
  try {
    return await promise
  } finally {
    stdin.off('data', take)
    stdin.pause()
    stdin.setRawMode(false)
    terminal.error('\n')
  }
}
