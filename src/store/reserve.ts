import { randomFillSync } from 'node:crypto'
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const fileName = 'reserve'
const bytesMax = 8 * 1024 ** 2
const bytesMin = 64 * 1024
/** Of the disk's size, on a small one. */
const diskShare = 1 / 8
const pageBytes = 4_096
const pieceBytes = 64 * 1024

/**
 * Room on the disk that belongs to deleting. A row that is deleted takes room first (the log of what is changed) and gives it back later; on a disk
 * that is full to the last byte nothing could ever be deleted, and the outbox that filled it would never get smaller. So a file holds some room: it
 * is given up when a deletion finds none, and until it is held again nothing else is written.
 */
export class Reserve {
  readonly bytes: number
  readonly #path: string
  #isHeld = false

  constructor(folder: string) {
    this.#path = join(folder, fileName)
    const { blocks, bsize } = statfsSync(folder)
    this.bytes = Math.max(bytesMin, Math.min(bytesMax, Math.floor(blocks * bsize * diskShare)))
    rmSync(this.#path, { force: true })
    this.hold()
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Pages of SQLite's log after which it is folded into its file: what it holds must fit into half of the room. */
  get logPagesMax(): number {
    return Math.floor(this.bytes / 2 / pageBytes)
  }

  /** Takes the room back where the disk has it twice. */
  hold(): boolean {
    if (this.#isHeld) return true
    try {
      const { bavail, bsize } = statfsSync(join(this.#path, '..'))
      this.#isHeld = bavail * bsize > 2 * this.bytes && this.#take()
    } catch {
      this.give() // a disk in trouble is told of by the files that matter
    }
    return this.#isHeld
  }

  /** True where there was room to give. */
  give(): boolean {
    const wasHeld = this.#isHeld
    this.#isHeld = false
    rmSync(this.#path, { force: true })
    return wasHeld
  }

  /** Noise, which no file system stores in less room than it takes. */
  #take(): boolean {
    const file = openSync(this.#path, 'w', 0o600)
    try {
      const noise = randomFillSync(Buffer.alloc(pieceBytes))
      for (let written = 0; written < this.bytes; written += pieceBytes) writeSync(file, noise)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return true
  }
}
