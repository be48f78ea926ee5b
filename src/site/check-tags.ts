import { compileCondition } from '../model/expression.ts'
import type { Tag } from '../model/tag.ts'
import { isNumeric, scalarType } from './check-values.ts'
import { writeSpanFinding } from './check-write-span.ts'
import { suggestion } from './did-you-mean.ts'
import type { DevicePart, From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** What is wrong with single tags, whatever their driver: interlocks, and keys that mean nothing for their type. */
export function checkTags(parts: LoadedParts, problems: ProblemList): void {
  for (const from of parts.deviceParts) {
    const { paths, tags } = from.part
    for (const tag of tags) {
      checkInterlock(tag, { ...from, paths, problems, tags: parts.tags })
      checkMeaning(tag, { ...from, problems })
      checkWriteSpan(tag, { ...from, problems })
    }
    checkCase(from, problems)
  }
}

interface InterlockContext extends From<DevicePart> {
  readonly tags: LoadedParts['tags']
  readonly paths: ReadonlySet<string>
  readonly problems: ProblemList
}

function checkInterlock(tag: Tag<unknown>, { source, tags, paths, problems }: InterlockContext): void {
  const text = tag.write?.interlock
  if (text === undefined) return
  const path = ['tags', tag.path, 'write', 'interlock']
  const compiled = compileCondition(text, 'device', { tag: (name) => scalarType(tags.get(`${tag.device}/${name}`)) })
  if ('problem' in compiled) {
    const { offset, ...problem } = compiled.problem
    problems.add(source, { path, offset }, { code: 'expression.invalid', ...problem })
  }
  for (const name of compiled.tags.filter((other) => !paths.has(other))) {
    const own = name.startsWith(`${tag.device}/`) ? name.slice(tag.device.length + 1) : name
    problems.add(
      source,
      { path, offset: Math.max(0, text.indexOf(name)) },
      {
        code: 'expression.tag-unknown',
        message: `${tag.device} has no tag \`${name.slice(0, 200)}\`; an interlock sees the tags of its own device.`,
        remedy: paths.has(own) ? `Write tags['${own}'], without the device.` : suggestion(name, paths),
      },
    )
  }
}

function checkWriteSpan(tag: Tag<unknown>, { source, problems }: MeaningContext): void {
  for (const key of ['min', 'max'] as const) {
    const finding = writeSpanFinding(tag, key)
    if (finding !== undefined) problems.add(source, { path: ['tags', tag.path, 'write', key] }, finding)
  }
}

/** Tags that differ in capitals alone: MQTT keeps them apart, and whoever writes them into a database or a file system of another kind does not. */
function checkCase({ source, part }: From<DevicePart>, problems: ProblemList): void {
  const first = new Map<string, string>()
  for (const path of part.paths) {
    const key = path.toLowerCase()
    const twin = first.get(key)
    if (twin === undefined) first.set(key, path)
    else
      problems.add(
        source,
        { path: ['tags', path], part: 'key' },
        {
          code: 'tag.case-twin',
          message: `${path} and ${twin} differ in capital letters alone: databases, file systems and people take them for one.`,
          remedy: 'Give one of them another name.',
          severity: 'warning',
        },
      )
  }
}

interface MeaningContext extends From<DevicePart> {
  readonly problems: ProblemList
}

function checkMeaning(tag: Tag<unknown>, { source, problems }: MeaningContext): void {
  if (tag.type === undefined || isNumeric(tag.type)) return
  const { type } = tag
  const useless = ['range', 'scale', 'deadband'].filter((key) => key in tag)
  const { min, max, stepMax, ramp } = tag.write ?? {}
  if ([min, max, stepMax, ramp].some((limit) => limit !== undefined)) useless.push('write')
  for (const key of useless) {
    problems.add(
      source,
      { path: ['tags', tag.path, key], part: 'key' },
      {
        code: 'tag.not-numeric',
        message: `\`${key === 'write' ? 'min, max, step and ramp' : key}\` says something about numbers, and ${tag.path} is ${type}.`,
        remedy: 'Remove it, or change the type.',
      },
    )
  }
}
