import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { errorFields, type Log } from '../../../base/log.ts'

/** The number that ties a death to its birth: one more with each CONNECT, also across restarts, so that a late death kills no newer birth. */
export class BirthNumbers {
  readonly #folder: string
  readonly #path: string
  readonly #log: Log
  #last: number | undefined
  #isFailing = false

  constructor({ stateFolder, upstream, log }: { readonly stateFolder: string; readonly upstream: string; readonly log: Log }) {
    this.#folder = join(stateFolder, 'sparkplug')
    this.#path = join(this.#folder, `${upstream}.json`)
    this.#log = log
  }

  /** 0…255, on the disk before it is used. A disk that takes nothing keeps nobody from connecting: then only a restart could repeat the number. */
  async next(): Promise<number> {
    this.#last ??= await this.#read()
    const bdSeq = (this.#last + 1) % 256
    this.#last = bdSeq
    try {
      await this.#write(bdSeq)
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#log.warn('The bdSeq of Sparkplug cannot be kept on the disk.', errorFields(error))
      this.#isFailing = true
    }
    return bdSeq
  }

  async #read(): Promise<number> {
    try {
      const json: unknown = JSON.parse(await readFile(this.#path, 'utf8'))
      const bdSeq = typeof json === 'object' && json !== null && 'bdSeq' in json ? json.bdSeq : undefined
      if (typeof bdSeq === 'number' && Number.isInteger(bdSeq) && bdSeq >= 0 && bdSeq < 256) return bdSeq
      this.#log.warn('The file with the bdSeq of Sparkplug holds none; it begins anew.', { path: this.#path })
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (!isMissing) this.#log.warn('The bdSeq of Sparkplug cannot be read; it begins anew.', errorFields(error))
    }
    return -1
  }

  async #write(bdSeq: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const fresh = `${this.#path}.new`
    await using file = await open(fresh, 'w', 0o600)
    await file.writeFile(JSON.stringify({ bdSeq }))
    await file.sync()
    await rename(fresh, this.#path)
  }
}
