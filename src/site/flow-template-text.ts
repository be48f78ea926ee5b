import type { Path, Position, SourceFile, Spot } from './source.ts'

type Values = Readonly<Record<string, string | number | boolean>>

export interface FilledIn {
  readonly value: unknown
  /** Where something of the value stands in the file of the template. */
  place(spot: Spot): Position
  /** `$(…)` that stand for nothing. */
  readonly unknown: readonly { readonly path: Path; readonly name: string }[]
}

/** `$(name)`; with one more $ in front a plain `$(`. */
const marker = /\$?\$\(\s*([^()\s]{0,64})\s*\)/g

/** The data of a file with each `$(name)` replaced. A text that is nothing but one `$(name)` becomes its value, not text. */
export function filledIn(source: SourceFile, values: Values): FilledIn {
  const filling = new Filling(values)
  const value = filling.fill(source.value, [], [])
  return {
    value,
    unknown: filling.unknown,
    place: ({ offset, ...spot }) => {
      const path = filling.original(spot.path)
      // A text of another length has its places elsewhere.
      const isSame = offset !== undefined && !filling.changed.has(JSON.stringify(path))
      return source.place({ ...spot, path, ...(isSame ? { offset } : {}) })
    },
  }
}

class Filling {
  readonly unknown: { readonly path: Path; readonly name: string }[] = []
  /** Paths, in the template, of texts that are others now. */
  readonly changed = new Set<string>()
  readonly #values: Values
  /** By the path with the replaced keys: the last key as the template has it. */
  readonly #keys = new Map<string, string>()

  constructor(values: Values) {
    this.#values = values
  }

  /** `path` is that in the template, `place` that in the result. */
  fill(value: unknown, path: Path, place: Path): unknown {
    if (path[0] === 'template' || path[0] === 'instances') return value
    if (typeof value === 'string') return this.#text(value, path)
    if (Array.isArray(value)) return value.map((item, index) => this.fill(item, [...path, index], [...place, index]))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(([key, item]) => {
      const name = String(this.#text(key, [...path, key]))
      if (name !== key) this.#keys.set(JSON.stringify([...place, name]), key)
      return [name, this.fill(item, [...path, key], [...place, name])] as const
    })
    return Object.fromEntries(entries)
  }

  original(place: Path): Path {
    return place.map((step, index) => this.#keys.get(JSON.stringify(place.slice(0, index + 1))) ?? step)
  }

  #text(text: string, path: Path): string | number | boolean {
    const [only] = text.matchAll(marker)
    if (only?.[0] === text && !text.startsWith('$$')) return this.#value(only[1] ?? '', path) ?? text
    const filled = text.replaceAll(marker, (found: string, name: string) =>
      found.startsWith('$$') ? found.slice(1) : String(this.#value(name, path) ?? found),
    )
    if (filled !== text) this.changed.add(JSON.stringify(path))
    return filled
  }

  #value(name: string, path: Path): string | number | boolean | undefined {
    if (Object.hasOwn(this.#values, name)) return this.#values[name]
    this.unknown.push({ path, name })
    return undefined
  }
}
