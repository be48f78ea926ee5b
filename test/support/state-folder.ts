import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone, with all that is in it, when the test is over. */
export interface StateFolder extends Disposable {
  readonly path: string
}

export function makeStateFolder(): StateFolder {
  const path = mkdtempSync(join(tmpdir(), 'lineside-state-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A disk of its own, so small that it can be filled. Mounting one takes root or sudo, as installing the test's system packages does. */
export function mountSmallDisk(sizeKiB: number): StateFolder {
  const folder = makeStateFolder()
  asRoot('mount', '-t', 'tmpfs', '-o', `size=${sizeKiB}k,mode=1777`, 'lineside-test', folder.path)
  return {
    path: folder.path,
    [Symbol.dispose]: () => {
      asRoot('umount', '--lazy', folder.path)
      folder[Symbol.dispose]()
    },
  }
}

export function remount(disk: StateFolder, mode: 'ro' | 'rw'): void {
  asRoot('mount', '-o', `remount,${mode}`, disk.path)
}

function asRoot(...command: readonly string[]): void {
  const [program = '', ...words] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command]
  execFileSync(program, words)
}
