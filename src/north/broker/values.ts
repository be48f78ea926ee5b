import { writeRemainingLength } from './publish-bytes.ts'

/** Topics that each hold one current value: what a broker would otherwise keep as retained messages. */
export interface ValueSource {
  /** By place. Never changes. */
  readonly topics: readonly string[]
  /** The current payload; undefined while there is none. */
  payload(place: number): string | undefined
}

/** Where a reader's packets go: a socket. */
export interface Outlet {
  readonly writable: boolean
  readonly writableLength: number
  cork(): void
  uncork(): void
  write(bytes: Uint8Array): boolean
}

/** Encoded bytes that leave in one write; also how long one turn of the encoder takes at most (some 400 values, 1 ms). */
const chunkBytes = 64 * 1024
/** What is handed to a socket at once of values that were waiting; the rest follows when it has drained. */
const lateBytesMax = 256 * 1024

/** A client that reads values: what of the current chunk is for it, and which values it is behind with. */
export class ValueReader {
  readonly outlet: Outlet
  /** Places that wait for the socket, and whether they leave with the retain flag. Bounded by the number of topics. */
  readonly late = new Map<number, boolean>()
  from = 0
  to = 0
  isCorked = false

  constructor(outlet: Outlet) {
    this.outlet = outlet
  }
}

export interface ValueFanOutOptions {
  readonly source: ValueSource
  readonly readersOf: (topic: string) => readonly ValueReader[]
  /** Changes when `readersOf` may answer otherwise. */
  readonly generation: () => number
  /** Past it, a reader gets only the latest of each value, once it has read what waits. */
  readonly unreadBytesMax: number
}

/**
 * Current values on their way to subscribers, at QoS 0: encoded once, written once a batch to each socket, and nothing is stored, for the source
 * knows every value. A reader that is slow skips values, but always ends with the latest; a new one gets them all with the retain flag.
 */
export class ValueFanOut {
  readonly #options: ValueFanOutOptions
  /** Of each topic, as it stands in its packets. */
  readonly #topicBytes: Uint16Array
  readonly #places: ReadonlyMap<string, number>
  readonly #levels: readonly (readonly string[])[]
  readonly #readers: { readonly generation: number; readonly readers: readonly ValueReader[] }[] = []
  readonly #active = new Set<ValueReader>()
  #scratch = Buffer.allocUnsafeSlow(chunkBytes)
  #used = 0
  #copied = { from: 0, to: 0, bytes: Buffer.alloc(0) }
  #sent = 0
  #overtaken = 0

  constructor(options: ValueFanOutOptions) {
    this.#options = options
    this.#topicBytes = Uint16Array.from(options.source.topics, (topic) => Buffer.byteLength(topic))
    this.#places = new Map(options.source.topics.map((topic, place) => [topic, place]))
    this.#levels = options.source.topics.map((topic) => topic.split('/'))
  }

  get sent(): number {
    return this.#sent
  }

  /** Values that a slow reader did not get because newer ones came. */
  get overtaken(): number {
    return this.#overtaken
  }

  changed(places: Iterable<number>): void {
    for (const place of places) {
      const readers = this.#readersOf(place)
      const payload = readers.length === 0 ? undefined : this.#options.source.payload(place)
      if (payload === undefined) continue
      const start = this.#encode(place, payload, 0)
      for (const reader of readers) {
        if (this.#isBehind(reader, place)) this.#wait(reader, place)
        else this.#give(reader, start)
      }
    }
    this.#ship()
  }

  /** Gives a reader the current values of these filters: with the retain flag when it has just subscribed, without when its session goes on. */
  offer(reader: ValueReader, filters: readonly string[], flag: 'retained' | 'live'): void {
    for (const filter of filters) {
      for (const place of this.#placesOf(filter)) reader.late.set(place, flag === 'retained')
    }
    this.catchUp(reader)
  }

  /** To be called whenever the reader's socket has drained. */
  catchUp(reader: ValueReader): void {
    if (reader.late.size === 0) return
    for (const [place, isRetained] of reader.late) {
      if (reader.outlet.writableLength + (reader.to - reader.from) > lateBytesMax) break
      reader.late.delete(place)
      const payload = this.#options.source.payload(place)
      if (payload !== undefined) this.#give(reader, this.#encode(place, payload, isRetained ? 1 : 0))
    }
    this.#ship()
  }

  #readersOf(place: number): readonly ValueReader[] {
    const known = this.#readers[place]
    const generation = this.#options.generation()
    if (known !== undefined && known.generation === generation) return known.readers
    const readers = this.#options.readersOf(this.#options.source.topics[place] ?? '')
    this.#readers[place] = { generation, readers }
    return readers
  }

  *#placesOf(filter: string): Iterable<number> {
    if (!filter.includes('+') && !filter.includes('#')) {
      const place = this.#places.get(filter)
      if (place !== undefined) yield place
      return
    }
    const wanted = filter.split('/')
    for (const [place, levels] of this.#levels.entries()) if (matchesLevels(levels, wanted)) yield place
  }

  #isBehind(reader: ValueReader, place: number): boolean {
    return reader.late.has(place) || reader.outlet.writableLength > this.#options.unreadBytesMax
  }

  #wait(reader: ValueReader, place: number): void {
    if (reader.late.has(place)) this.#overtaken += 1
    else reader.late.set(place, false)
  }

  /** Puts one PUBLISH packet into the scratch; returns where it starts. */
  #encode(place: number, payload: string, retainFlag: 0 | 1): number {
    const topicBytes = this.#topicBytes[place] ?? 0
    const length = 2 + topicBytes + Buffer.byteLength(payload)
    if (this.#used + length + 5 > this.#scratch.length) this.#makeRoom(length + 5)
    const start = this.#used
    const afterLength = writeRemainingLength(this.#scratch, start + 1, length)
    this.#scratch[start] = 0x30 | retainFlag
    this.#scratch.writeUInt16BE(topicBytes, afterLength)
    this.#scratch.write(this.#options.source.topics[place] ?? '', afterLength + 2)
    this.#scratch.write(payload, afterLength + 2 + topicBytes)
    this.#used = afterLength + length
    return start
  }

  #makeRoom(bytes: number): void {
    this.#ship()
    if (bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(bytes)
  }

  /** The last packet encoded is for this reader. Packets side by side in the scratch leave as one piece. */
  #give(reader: ValueReader, start: number): void {
    if (reader.to !== start) {
      this.#write(reader)
      reader.from = start
    }
    reader.to = this.#used
    this.#sent += 1
    this.#active.add(reader)
  }

  /** Everything encoded so far goes to the sockets, one write each where possible. */
  #ship(): void {
    for (const reader of this.#active) {
      this.#write(reader)
      reader.from = 0
      reader.to = 0
      if (reader.isCorked) reader.outlet.uncork()
      reader.isCorked = false
    }
    this.#active.clear()
    this.#used = 0
    this.#copied = { from: 0, to: 0, bytes: this.#copied.bytes }
  }

  #write(reader: ValueReader): void {
    if (reader.to === reader.from || !reader.outlet.writable) return
    if (!reader.isCorked) reader.outlet.cork()
    reader.isCorked = true
    reader.outlet.write(this.#copy(reader.from, reader.to))
  }

  /** Exactly these bytes, once for all readers that get the same: a slow socket must not hold a whole chunk for one packet of it. */
  #copy(from: number, to: number): Buffer {
    if (this.#copied.from !== from || this.#copied.to !== to) {
      const bytes = Buffer.allocUnsafeSlow(to - from)
      this.#scratch.copy(bytes, 0, from, to)
      this.#copied = { from, to, bytes }
    }
    return this.#copied.bytes
  }
}

/** Topics already split, for a client may bring a thousand filters at once, and each is held against every topic. */
function matchesLevels(levels: readonly string[], wanted: readonly string[]): boolean {
  for (const [depth, level] of wanted.entries()) {
    if (level === '#') return true
    if (depth >= levels.length || (level !== '+' && level !== levels[depth])) return false
  }
  return levels.length === wanted.length
}
