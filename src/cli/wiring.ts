import type { Terminal } from './terminal.ts'

/** What a command is given: where to write, and where its exit code goes. */
export interface Wiring {
  readonly terminal: Terminal
  readonly take: (result: Promise<number>) => Promise<void>
}

/** For the end of a command's help. */
export function example(...commands: readonly string[]): string {
  return `\nExample${commands.length > 1 ? 's' : ''}:\n${commands.map((text) => `  $ ${text}`).join('\n')}`
}
