import { describe, expect, it } from 'vitest'
import { isPublishable, isSoundFilter, matchesFilter } from '../../src/model/topic.ts'

/** MQTT 4.7, level by level. */
function matches(topic: readonly string[], filter: readonly string[]): boolean {
  const [level, ...rest] = filter
  if (level === '#') return true
  if (level === undefined || topic.length === 0) return filter.length === topic.length
  return (level === '+' || level === topic[0]) && matches(topic.slice(1), rest)
}

function paths(levels: readonly string[], depth: number): readonly (readonly string[])[] {
  return depth === 0
    ? [[]]
    : [...paths(levels, depth - 1), ...paths(levels, depth - 1).flatMap((path) => levels.map((level) => [...path, level]))]
}

describe('a topic filter', () => {
  it('matches what MQTT says it matches, empty levels and literal signs included', () => {
    const filters = paths(['', 'a', 'ab', '+', '#'], 3).filter((path) => path.length > 0)
    const wrong: string[] = []
    for (const topic of paths(['', 'a', 'b', 'ab'], 3).filter((path) => path.length > 0)) {
      for (const filter of filters) {
        if (matchesFilter(topic.join('/'), filter.join('/')) !== matches(topic, filter))
          wrong.push(`${topic.join('/')} ${filter.join('/')}`)
      }
    }
    expect(wrong).toEqual([])
    expect(['#', '+/x', '$SYS/#'].map((filter) => matchesFilter('$SYS/x', filter))).toEqual([false, false, true])
  })

  it('is sound where each wildcard stands for whole levels', () => {
    expect(['#', '+', '/', 'a//b', '+/+/#', '/#'].filter((filter) => !isSoundFilter(filter))).toEqual([])
    expect(['', 'a#', '#/a', 'a/#/b', 'a+', '+a/b', 'a/\0', 'a/\ufdd0'].filter(isSoundFilter)).toEqual([])
  })
})

describe('a topic', () => {
  it('is publishable where no client or broker hangs up on it', () => {
    expect(['a', '/', 'a/ü b/😀', 'x/'.repeat(199)].filter((topic) => !isPublishable(topic))).toEqual([])
    const bad = ['', 'a/+', '#', 'a\0', 'a\n', 'a\u0085', 'a\uffff', 'a\u{2fffe}', 'x/'.repeat(200), 'ü'.repeat(40_000)]
    expect(bad.filter(isPublishable)).toEqual([])
  })
})
