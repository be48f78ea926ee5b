/** Whether an MQTT topic matches a filter with `+` and `#`; topics that begin with `$` match no filter that begins with a wildcard (MQTT 4.7.2). */
export function matchesFilter(topic: string, filter: string): boolean {
  if (filter === '#') return !topic.startsWith('$')
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false
  const topicLevels = topic.split('/')
  const filterLevels = filter.split('/')
  for (const [place, level] of filterLevels.entries()) {
    if (level === '#') return true
    if (place >= topicLevels.length || (level !== '+' && level !== topicLevels[place])) return false
  }
  return topicLevels.length === filterLevels.length
}

/** As flows write it: below the site's path, or with `/` in front from the root of all topics. */
export function fullFilter(topic: string, site: string): string {
  return topic.startsWith('/') ? topic.slice(1) : `${site}/${topic}`
}

/** Whether some topic matches both filters. */
export function filtersMeet(one: string, other: string): boolean {
  const ones = one.split('/')
  const others = other.split('/')
  for (const [place, level] of ones.entries()) {
    const against = others[place]
    if (level === '#' || against === '#') return true
    if (against === undefined) return false
    if (level !== '+' && against !== '+' && level !== against) return false
  }
  return others.length <= ones.length || others[ones.length] === '#'
}
