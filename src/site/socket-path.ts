import { join } from 'node:path'

/** The Unix socket by which programs of the gateway's own machine reach it. */
export function socketPathOf(stateFolder: string): string {
  return join(stateFolder, 'lineside.sock')
}
