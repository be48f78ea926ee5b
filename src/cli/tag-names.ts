import { FingerprintSet } from '../base/fingerprint-set.ts'

/** What a device file takes: a site's path and the device stand in front of it in a topic. */
const lengthMax = 180
const levelsMax = 16
const roomForNumber = 8
const namesMax = 5_000_000

/** Gives each variable a path of its own that a tag can have: of those with the same, the second ends in `_2`. */
export class TagNames {
  readonly #taken = new FingerprintSet({ sizeMax: namesMax })

  nameFor(path: string): string {
    const short = shortened(path)
    for (let place = 1; ; place += 1) {
      const name = place === 1 ? short : `${short}_${place}`
      if (this.#taken.add(name) || this.#taken.isFull) return name
    }
  }
}

/** Where it is too long, its beginning goes: what tells tags apart stands at the end. */
function shortened(path: string): string {
  const levels = path.split('/').slice(-levelsMax)
  while (levels.length > 1 && levels.join('/').length > lengthMax - roomForNumber) levels.shift()
  return levels.map((level, place) => (place === levels.length - 1 ? level.slice(0, 64 - roomForNumber) : level)).join('/')
}
