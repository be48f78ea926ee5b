import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Our certificate for servers that are browsed stays the same, so that they need to trust it only once; and so does theirs that we trust. */
export async function browseStateOf(url: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const home = environment['XDG_STATE_HOME'] ?? join(environment['HOME'] ?? homedir(), '.local/state')
  const folder = join(
    home,
    'lineside/browse',
    url
      .replace(/^opc\.tcp:\/\//, '')
      .replaceAll(/[^A-Za-z0-9.-]+/g, '_')
      .slice(0, 100),
  )
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return folder
}
