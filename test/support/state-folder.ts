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

/** A disk of its own, so small that it can be filled. Needs root: `canMount` says whether it can be had. */
export function mountSmallDisk(sizeKiB: number): StateFolder {
  const folder = makeStateFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'lineside-test', folder.path])
  return {
    path: folder.path,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['--lazy', folder.path])
      folder[Symbol.dispose]()
    },
  }
}

export function remount(disk: StateFolder, mode: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${mode}`, disk.path])
}

/** Whether this machine lets a test mount something (containers often do not, even root). */
export function canMount(): boolean {
  try {
    mountSmallDisk(64)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}
