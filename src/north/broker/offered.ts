const certificates = '$sparkplug/certificates/'

/** Of the topics that begin with `$` there are `$SYS`, and the births that a Sparkplug host keeps. `$share/…` taken literally would look granted and never deliver. */
export function isOffered(filter: string): boolean {
  return !filter.startsWith('$') || filter === '$SYS' || filter.startsWith('$SYS/') || filter.startsWith('$sparkplug/')
}

/** The filter by which rules for reading know this one: a birth that is kept is read by whoever may read the birth. */
export function readAs(filter: string): string {
  if (filter.startsWith(certificates)) return filter.slice(certificates.length)
  return filter.startsWith('$sparkplug/') ? 'spBv1.0/#' : filter
}
