import { Fault } from '../../base/fault.ts'
import type { LiveTags } from '../../control/contract.ts'
import { samplePayload } from '../../model/payload.ts'
import { asTagIndex, type TagId, type TagIndex, type WriteRules } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'

const limitMax = 10_000
const limitDefault = 1_000

/** One page of tags with their current samples; `filter` is an MQTT topic filter over DEVICE/TAG, `cursor` the `next` of the page before. */
export function tagRows(
  tags: LiveTags,
  query: { readonly filter?: string; readonly cursor?: string; readonly limit?: string },
  isShown: (id: string) => boolean = () => true,
): Readonly<Record<string, unknown>> {
  const limit = Math.min(limitMax, wholeNumber('limit', query.limit, { otherwise: limitDefault, least: 1 }))
  const items: unknown[] = []
  let place = wholeNumber('cursor', query.cursor, { otherwise: 0, least: 0 })
  for (; place < tags.metas.length && items.length < limit; place += 1) {
    const id = tags.metas[place]?.id ?? ''
    if ((query.filter === undefined || matchesFilter(id, query.filter)) && isShown(id)) items.push(tagRow(tags, asTagIndex(place)))
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

/** Everything about one tag; throws `api.tag-unknown`. */
export function tagDetail(tags: LiveTags, id: TagId): Readonly<Record<string, unknown>> {
  const tag = tags.find(id)
  const meta = tag === undefined ? undefined : tags.metas[tag]
  if (tag === undefined || meta === undefined) throw unknownTag(id)
  const { type, length, range, description, write } = meta
  return {
    ...tagRow(tags, tag),
    ...(type === undefined ? {} : { type }),
    ...(length === undefined ? {} : { length }),
    ...(range === undefined ? {} : { range }),
    ...(description === undefined ? {} : { description }),
    ...(write === undefined ? {} : { write: ruleRow(write) }),
  }
}

/** As the device file has them. */
function ruleRow({ confirmMs, ratePerSecondMax, stepMax, ramp, ...rules }: WriteRules): Readonly<Record<string, unknown>> {
  return {
    ...rules,
    confirmMs,
    rate: ratePerSecondMax,
    ...(stepMax === undefined ? {} : { step: stepMax }),
    ...(ramp === undefined ? {} : { ramp }),
  }
}

function unknownTag(id: string): Fault {
  return new Fault('api.tag-unknown', `There is no tag ${id.slice(0, 200)}.`, {
    remedy: 'Check the name: it is DEVICE/TAG, as in the device files; /api/v1/tags lists them.',
  })
}

function wholeNumber(
  name: string,
  text: string | undefined,
  { otherwise, least }: { readonly otherwise: number; readonly least: number },
): number {
  if (text === undefined) return otherwise
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text)
  throw new Fault('api.bad-query', `"${text.slice(0, 40)}" is no ${name}.`, { remedy: `Give ${name} as a whole number from ${least} on.` })
}
