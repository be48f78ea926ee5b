import type { Role } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'

/** What somebody may do with topics. What the gateway takes under its own topics is decided there once more, by role. */
export interface Rights {
  /** Whether everything that this filter can bring may be read. */
  mayRead(filter: string): boolean
  mayWrite(topic: string): boolean
  /** Whether own rules stand in the place of what the role may write. */
  readonly hasOwnWriteRules: boolean
}

export interface TopicRules {
  /** Topic filters; absent: what the role may. */
  readonly read?: readonly string[] | undefined
  readonly write?: readonly string[] | undefined
}

export interface GatewayTopics {
  readonly site: string
  readonly node: string
}

/** Rules by role, unless there are own ones. */
export function rightsOf(role: Role, own: TopicRules, gateway: GatewayTopics): Rights {
  const read = own.read ?? readByRole(role)
  const write = own.write ?? writeByRole(role, gateway)
  return {
    mayRead: (filter) => read.some((rule) => covers(rule, filter)),
    mayWrite: (topic) => write.some((rule) => matchesFilter(topic, rule)) && (own.write !== undefined || !isOfOtherGateway(topic, gateway)),
    hasOwnWriteRules: own.write !== undefined,
  }
}

function readByRole(role: Role): readonly string[] {
  return role === 'engineer' || role === 'admin' ? ['#', '$SYS/#'] : ['#']
}

/** Of the gateway's own topics it takes `…/set` and the start of flows, and nothing else, whoever sends it. */
function writeByRole(role: Role, { site, node }: GatewayTopics): readonly string[] {
  if (role === 'viewer') return []
  return role === 'operator' ? [`${site}/#`, `lineside/${node}/flows/#`] : ['#']
}

/** What another gateway says of itself by way of this broker: nobody else may say it unless a rule of his own lets him, as it does that gateway's user. */
export function isOfOtherGateway(topic: string, { node }: GatewayTopics): boolean {
  return topic.startsWith('lineside/') && !topic.startsWith(`lineside/${node}/`)
}

/** Whether `filter` can bring nothing that `rule` does not match. No wildcard at the front stands for a topic that begins with `$`. */
export function covers(rule: string, filter: string): boolean {
  if (filter.startsWith('$') && !rule.startsWith('$')) return false
  const wanted = filter.split('/')
  const allowed = rule.split('/')
  for (const [place, level] of allowed.entries()) {
    if (level === '#') return true
    const asked = wanted[place]
    if (asked === undefined || asked === '#' || (level !== '+' && level !== asked)) return false
  }
  return wanted.length === allowed.length
}
