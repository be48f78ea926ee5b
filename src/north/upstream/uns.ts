import type { UpstreamFormat } from './format.ts'

/** The unified namespace: the topics and payloads of our own broker, one to one. */
export function unsFormat({ site, node }: { readonly site: string; readonly node: string }): UpstreamFormat {
  const status = (payload: string) => ({ topic: `lineside/${node}/status`, payload, isRetained: true })
  return {
    will: status('offline'),
    hello: status('online'),
    goodbye: status('offline'),
    packet: ({ kind, subject, body }) => {
      const topic = kind === 'sample' ? `${site}/${subject}` : subject
      return isTopic(topic) ? { topic, payload: body, isRetained: kind === 'sample' } : undefined
    },
  }
}

/** MQTT 4.7.3; a broker closes the connection at anything else, and would again after each reconnect. */
function isTopic(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= 65_535 && !/[+#\0]/.test(text)
}
