import { Fault } from '../../base/fault.ts'
import type { LiveTags } from '../../control/contract.ts'
import { samplePayload } from '../../model/payload.ts'
import { asTagIndex, type TagIndex } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'

const limitMax = 10_000
const limitDefault = 1_000

/** One page of tags with their current samples; `filter` is an MQTT topic filter over DEVICE/TAG, `cursor` the `next` of the page before. */
export function tagRows(
  tags: LiveTags,
  query: { readonly filter?: string; readonly cursor?: string; readonly limit?: string },
): Readonly<Record<string, unknown>> {
  const limit = Math.min(limitMax, wholeNumber('limit', query.limit, limitDefault))
  const items: unknown[] = []
  let place = wholeNumber('cursor', query.cursor, 0)
  for (; place < tags.metas.length && items.length < limit; place += 1) {
    const id = tags.metas[place]?.id ?? ''
    if (query.filter === undefined || matchesFilter(id, query.filter)) items.push(tagRow(tags, asTagIndex(place)))
  }
  return { items, ...(place < tags.metas.length ? { next: String(place) } : {}) }
}

/** A tag as the API shows it; without a sample where control has not told of it yet. */
export function tagRow(tags: LiveTags, tag: TagIndex): Readonly<Record<string, unknown>> {
  const meta = tags.metas[tag]
  const sample = tags.current(tag)
  if (meta === undefined) return {}
  return {
    tag: meta.id,
    ...(sample === undefined ? { value: null, quality: 'bad' } : samplePayload(meta, sample)),
    ...(meta.unit === undefined ? {} : { unit: meta.unit }),
    writable: meta.write !== undefined,
  }
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Fault('api.bad-query', `"${text.slice(0, 40)}" is no ${name}.`, { remedy: `Give ${name} as a whole number.` })
}
