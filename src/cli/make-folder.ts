import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** One level at a time: Node's own recursive mkdir never returns below /proc. Throws what the system says where it cannot be made. */
export async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory()) return
  if (dirname(folder) !== folder) await makeFolder(dirname(folder))
  await mkdir(folder).catch(async (error: unknown) => {
    const isThere = await stat(folder)
      .then((other) => other.isDirectory())
      .catch(() => false)
    if (!isThere) throw error // otherwise another one was faster
  })
}
