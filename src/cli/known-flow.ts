import { Fault } from '../base/fault.ts'
import { suggestion } from '../site/did-you-mean.ts'
import type { Site } from '../site/site.ts'

/** A name that was mistyped is wrong usage, and no answer. Throws `usage.flow`. */
export function checkFlow({ flows, folder }: Pick<Site, 'flows' | 'folder'>, flow: string): void {
  const names = flows.map((one) => one.flow)
  if (!names.includes(flow)) throw new Fault('usage.flow', `There is no flow "${flow}" in ${folder}.`, { remedy: suggestion(flow, names) })
}
