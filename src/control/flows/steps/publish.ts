import { payloadText } from '../../../model/template.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { failed } from '../faults.ts'

interface Message {
  readonly topic: string
  readonly payload: string
}

/** A message may come twice, but must not be missing: at least once. `${run.id}` in it makes the second one known as such. */
export function publishEffect(step: StepOf<'publish'>, at: Compiling): Effect {
  const topic = at.template(step.topic)
  const payload = at.template(step.payload)
  return effect<Message | string>({
    intent: 'firm',
    plan: ({ scope }) => ({
      topic: plainTopic(String(evaluated(topic, scope, { step: at.id, what: 'its topic' })), at.id),
      payload: payloadText(evaluated(payload, scope, { step: at.id, what: 'its payload' })),
    }),
    act: async (what, { ports }) => {
      // Journals of before hold the payload alone.
      const message = typeof what === 'string' ? { topic: step.topic, payload: what } : what
      await ports.publish({ ...message, isRetained: step.isRetained })
    },
    inDoubt: 'repeat',
    partner: (what) => `topic ${typeof what === 'string' ? step.topic : what.topic}`,
  })
}

function plainTopic(topic: string, step: string): string {
  if (topic !== '' && !/[+#\0]/.test(topic) && topic.length <= 500) return topic
  throw failed(
    'flow.bad-topic',
    `${step} would publish to "${topic.slice(0, 100)}".`,
    'A topic holds no + and #: look at the values that are put into it.',
  )
}
