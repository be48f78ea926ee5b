import { isPublishable } from '../../model/topic.ts'
import type { UpstreamFormat } from './format.ts'

/** The user property by which a receiver knows a message that comes again. */
const keyName = 'idempotency-key'

/** The unified namespace: the topics and payloads of our own broker, one to one. */
export function unsFormat({ site, node }: { readonly site: string; readonly node: string }): UpstreamFormat {
  const status = (payload: string) => ({ topic: `lineside/${node}/status`, payload, isRetained: true })
  return {
    will: status('offline'),
    hello: status('online'),
    goodbye: status('offline'),
    packet: ({ kind, subject, body, key }) => {
      const topic = kind === 'sample' ? `${site}/${subject}` : subject
      if (!isPublishable(topic)) return undefined
      const packet = { topic, payload: body, isRetained: kind === 'sample' }
      return key === undefined ? packet : { ...packet, properties: { [keyName]: key } }
    },
  }
}
