/** What to do with a tag that is there already and is not the same: leave it, take the new one, or do nothing at all. */
export const conflictModes = ['keep', 'replace', 'fail'] as const
export type ConflictMode = (typeof conflictModes)[number]
