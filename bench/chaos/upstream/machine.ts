import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

/** Where the gateway lives: a network of its own whose packets can be dropped, a small disk of its own that can be full or stand still. */
export interface Machine extends Disposable {
  /** At which the gateway reaches what is outside. */
  readonly host: string
  readonly diskFolder: string
  /** What runs inside. */
  inside(command: Command): Command
  /** Undefined where this machine does not let us. */
  readonly network: Network | undefined
  readonly disk: Disk | undefined
}

export interface Network {
  /** Neither side is told: packets go to nobody. */
  drop(): void
  heal(): void
}

export interface Disk {
  fill(): void
  empty(): void
  freeze(): void
  thaw(): void
}

const diskMegabytes = 48
const fillBytes = 64 * 1024
/** Hardware addresses that nobody has. */
const nobody = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const

export function openMachine({ folder, say }: { readonly folder: string; say(text: string): void }): Machine {
  const parts = new DisposableStack()
  const diskFolder = join(folder, 'disk')
  mkdirSync(diskFolder)
  const network = tried('a network namespace', say, () => openNetwork(parts))
  const disk = tried('a loop-mounted disk', say, () => openDisk(folder, diskFolder, parts))
  return {
    host: network?.host ?? '127.0.0.1',
    diskFolder,
    inside: (command) =>
      network === undefined ? command : { program: 'ip', args: ['netns', 'exec', network.name, command.program, ...command.args] },
    network,
    disk,
    [Symbol.dispose]: () => parts.dispose(),
  }
}

function tried<Part>(what: string, say: (text: string) => void, open: () => Part): Part | undefined {
  try {
    return open()
  } catch (error) {
    say(
      `This machine does not allow ${what} (${error instanceof Error ? error.message.split('\n')[0] : error}): its faults are left out or imitated.`,
    )
    return undefined
  }
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function openNetwork(parts: DisposableStack): Network & { readonly host: string; readonly name: string } {
  const id = process.pid % 10_000
  const name = `lschaos${id}`
  const [near, far] = [`lsc${id}a`, `lsc${id}b`]
  const subnet = `10.213.${id % 250}`
  const [host, guest] = [`${subnet}.1`, `${subnet}.2`]
  run('ip', 'netns', 'add', name)
  parts.defer(() => run('ip', 'netns', 'del', name)) // and the pair of cables with it
  run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name)
  run('ip', 'addr', 'add', `${host}/30`, 'dev', near)
  run('ip', 'link', 'set', near, 'up')
  run('ip', '-n', name, 'addr', 'add', `${guest}/30`, 'dev', far)
  run('ip', '-n', name, 'link', 'set', far, 'up')
  run('ip', '-n', name, 'link', 'set', 'lo', 'up')
  return {
    host,
    name,
    drop: () => {
      run('ip', '-n', name, 'neigh', 'replace', host, 'lladdr', nobody[0], 'dev', far, 'nud', 'permanent')
      run('ip', 'neigh', 'replace', guest, 'lladdr', nobody[1], 'dev', near, 'nud', 'permanent')
    },
    heal: () => {
      run('ip', '-n', name, 'neigh', 'del', host, 'dev', far)
      run('ip', 'neigh', 'del', guest, 'dev', near)
    },
  }
}

/** A file with a file system of its own: its flushes stand still while it is frozen, as they do on a disk that does not answer. */
function openDisk(folder: string, mountFolder: string, parts: DisposableStack): Disk {
  const image = join(folder, 'disk.img')
  const ballast = join(mountFolder, 'ballast')
  run('truncate', '-s', `${diskMegabytes}M`, image)
  run('mkfs.ext4', '-q', '-F', '-m', '0', image)
  run('mount', '-o', 'loop', image, mountFolder)
  parts.defer(() => run('umount', '-l', mountFolder))
  const state = { isFrozen: false }
  const thaw = (): void => {
    if (state.isFrozen) run('fsfreeze', '-u', mountFolder)
    state.isFrozen = false
  }
  parts.defer(thaw)
  return {
    fill: () => fill(ballast),
    empty: () => rmSync(ballast, { force: true }),
    freeze: () => {
      run('fsfreeze', '-f', mountFolder)
      state.isFrozen = true
    },
    thaw,
  }
}

function fill(file: string): void {
  const descriptor = openSync(file, 'w')
  try {
    for (let bytes = fillBytes; bytes >= 512; ) {
      try {
        writeSync(descriptor, Buffer.alloc(bytes))
      } catch {
        bytes /= 2 // ENOSPC: to the last half kilobyte
      }
    }
  } finally {
    closeSync(descriptor)
  }
}
