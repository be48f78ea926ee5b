/** Whether an MQTT topic matches a filter with `+` and `#`; topics that begin with `$` match no filter that begins with a wildcard (MQTT 4.7.2). */
export function matchesFilter(topic: string, filter: string): boolean {
  if (filter === '#') return !topic.startsWith('$')
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false
  let at = 0
  let place = 0
  for (;;) {
    const levelEnd = endOfLevel(filter, place)
    const topicEnd = endOfLevel(topic, at)
    const isOne = levelEnd - place === 1
    if (isOne && filter[place] === '#') return true
    const isAny = isOne && filter[place] === '+'
    if (!isAny && (topicEnd - at !== levelEnd - place || !topic.startsWith(filter.slice(place, levelEnd), at))) return false
    if (levelEnd === filter.length) return topicEnd === topic.length
    if (topicEnd === topic.length) return filter[levelEnd + 1] === '#' && endOfLevel(filter, levelEnd + 1) === levelEnd + 2
    at = topicEnd + 1
    place = levelEnd + 1
  }
}

function endOfLevel(text: string, start: number): number {
  const end = text.indexOf('/', start)
  return end === -1 ? text.length : end
}

/** As flows write it: below the site's path, or with `/` in front from the root of all topics. */
export function fullFilter(topic: string, site: string): string {
  return topic.startsWith('/') ? topic.slice(1) : `${site}/${topic}`
}

const topicBytesMax = 65_535
/** As mosquitto has it. */
const levelsMax = 200
/** Wildcards, and what mosquitto and its clients hang up on, each time it comes: control characters and what is no character. */
const unfit = /[+#]|\p{Cc}|\p{Noncharacter_Code_Point}/u

/** Whether everybody takes a message of this topic; one that somebody hangs up on would come again after each reconnect. */
export function isPublishable(topic: string): boolean {
  const fits = topic.length * 3 <= topicBytesMax || Buffer.byteLength(topic) <= topicBytesMax
  const isFlat = topic.length <= levelsMax || topic.split('/', levelsMax + 1).length <= levelsMax
  return topic !== '' && fits && isFlat && !unfit.test(topic)
}

/** Whether `+` stands for one whole level and `#` for the rest (MQTT 4.7.1), and every character can be one of a topic. */
export function isSoundFilter(filter: string): boolean {
  const levels = filter.split('/')
  const isSound = (level: string, place: number): boolean =>
    level === '' || level === '+' || (level === '#' && place === levels.length - 1) || isPublishable(level)
  return filter !== '' && levels.every(isSound)
}
