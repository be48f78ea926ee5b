import { payloadText } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, keyOf } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed } from '../faults.ts'

interface Message {
  readonly topic: string
  readonly payload: string
}

/**
 * A message may come twice, but must not be missing: at least once. Each attempt, in whatever life of the daemon, has the same key: an upstream gets
 * it beside the message where its protocol has room for it, and everybody in the payload where the step names a field.
 */
export function publishEffect(step: StepOf<'publish'>, at: Compiling): Effect {
  const topic = at.template(step.topic)
  const payload = at.template(step.payload)
  return effect<Message | string>({
    intent: 'firm',
    plan: (place) => ({
      topic: plainTopic(String(evaluated(topic, place.scope, { step: at.id, what: 'its topic' })), at.id),
      payload: payloadText(keyed(evaluated(payload, place.scope, { step: at.id, what: 'its payload' }), step, keyOf(place))),
    }),
    act: async (what, place) => {
      // Journals of before hold the payload alone.
      const message = typeof what === 'string' ? { topic: step.topic, payload: what } : what
      await place.ports.publish({ ...message, isRetained: step.isRetained, key: keyOf(place) })
    },
    inDoubt: 'repeat',
    partner: (what) => `topic ${typeof what === 'string' ? step.topic : what.topic}`,
  })
}

function keyed(payload: unknown, { id, keyField }: StepOf<'publish'>, key: string): unknown {
  if (keyField === undefined) return payload
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return { ...payload, [keyField]: key }
  throw failed(
    'flow.no-room-for-key',
    `The payload of ${id} is no map, and \`key: ${keyField}\` has no place in it.`,
    'Let the payload be a map, or leave `key` out.',
  )
}

function plainTopic(topic: string, step: string): string {
  if (topic !== '' && !/[+#\0]/.test(topic) && topic.length <= 500) return topic
  throw failed(
    'flow.bad-topic',
    `${step} would publish to "${topic.slice(0, 100)}".`,
    'A topic holds no + and #: look at the values that are put into it.',
  )
}
