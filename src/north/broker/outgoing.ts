import type { Duplex } from 'node:stream'

/** What a chunk holds; more of one turn leaves in several writes. */
const chunkBytes = 16 * 1024
/** Larger pieces are not copied once more. */
const ownWriteBytes = 4 * 1024
/** Chunks that are kept for the next turn, of all connections together. */
const spareMax = 64

const spare: Buffer[] = []

/**
 * What is written to one connection. The library writes a packet in five pieces, and each would cost as much as the packet itself: here all that is
 * written in one turn of the loop leaves in one piece, in its order, whoever wrote it.
 */
export class Outgoing {
  readonly #stream: Duplex
  readonly #write: (bytes: Uint8Array) => boolean
  #chunk: Buffer | undefined
  #used = 0
  #isDue = false

  constructor(stream: Duplex) {
    this.#stream = stream
    this.#write = stream.write.bind(stream)
    stream.write = (piece: string | Uint8Array, encoding?: unknown, done?: (error?: Error | null) => void): boolean => {
      this.#add(
        typeof piece === 'string' ? Buffer.from(piece, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8') : piece,
      )
      const onDone = typeof encoding === 'function' ? (encoding as (error?: Error | null) => void) : done
      if (onDone !== undefined) setImmediate(onDone, null)
      return !stream.writableNeedDrain
    }
    stream.once('close', () => this.#forget())
  }

  /** Bytes that wait for the end of the turn. */
  get length(): number {
    return this.#used
  }

  /** Memory to write so many bytes to, from `length` on; to be followed by `took`. */
  room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.#chunk.length - this.#used < bytes) this.flush()
    this.#chunk ??= bytes > chunkBytes ? Buffer.allocUnsafeSlow(bytes) : (spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes))
    return this.#chunk
  }

  took(bytes: number): void {
    this.#used += bytes
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.flush()
    })
  }

  flush(): void {
    const chunk = this.#chunk
    if (chunk === undefined) return
    const used = this.#used
    this.#forget()
    if (used === 0 || !this.#stream.writable) return
    this.#write(chunk.subarray(0, used))
    // What the kernel has taken may be written over.
    if (chunk.length === chunkBytes && spare.length < spareMax && this.#stream.writableLength === 0) spare.push(chunk)
  }

  /** Nothing more is to be said. */
  end(): void {
    this.flush()
    this.#stream.end()
  }

  #add(piece: Uint8Array): void {
    if (piece.length === 0) return
    if (piece.length > ownWriteBytes) {
      this.flush()
      if (this.#stream.writable) this.#write(piece)
      return
    }
    this.room(piece.length).set(piece, this.#used)
    this.took(piece.length)
  }

  #forget(): void {
    this.#chunk = undefined
    this.#used = 0
  }
}
