import { payloadText } from '../../../model/template.ts'
import { movedRemedy } from '../../routes/service.ts'
import type { Compiling } from '../compiling.ts'
import type { StepOf } from '../definition.ts'
import { type Effect, effect, keyOf } from '../effect.ts'
import { evaluated } from '../evaluated.ts'
import { StepFailure } from '../faults.ts'

interface Request {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** result: { status, body }. Each attempt of a step, in whatever life of the daemon, has the same key: a service that heeds it does its work once. */
export function requestEffect(step: StepOf<'request'>, at: Compiling): Effect {
  const path = at.template(step.path)
  const headers = at.template(step.headers ?? {})
  const body = step.body === undefined ? undefined : at.template(step.body)
  return effect<Request>({
    intent: 'firm',
    plan: ({ scope }) => ({
      path: String(evaluated(path, scope, { step: at.id, what: 'its path' })),
      headers: textsOf(evaluated(headers, scope, { step: at.id, what: 'its headers' })),
      ...(body === undefined ? {} : { body: payloadText(evaluated(body, scope, { step: at.id, what: 'its body' })) }),
    }),
    act: async (what, place) => {
      const { service, method, expect } = step
      const withKey = { 'idempotency-key': keyOf(place), ...what.headers }
      const answer = await place.ports.request({ ...what, service, method, headers: withKey, expect }, place.stop)
      if (!expect.includes(answer.status)) throw refused(step, answer.status)
      return answer
    },
    inDoubt: 'repeat',
    partner: () => `service ${step.service}`,
    isLook: step.method === 'GET',
  })
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(value ?? {}).map(([name, item]) => [name.toLowerCase(), payloadText(item)]))
}

function refused({ id, service }: StepOf<'request'>, status: number): StepFailure {
  return new StepFailure('failed', {
    code: 'flow.request-refused',
    message: `The service ${service} answered ${id} with ${status}.`,
    remedy: movedRemedy(status) ?? 'Look in the log of the service; `expect` names the answers that count as done.',
    isRetryable: status >= 500 || status === 429 || status === 408,
  })
}
