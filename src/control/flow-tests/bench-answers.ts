import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { MethodCall } from '../../south/driver.ts'
import type { ServiceAnswer, ServiceRequest } from '../flows/step-ports.ts'
import { type Chronicle, shown } from './chronicle.ts'
import type { FlowTestCase, FlowTestFile, ServiceStep } from './definition.ts'

export interface AnswersOptions {
  readonly file: FlowTestFile
  readonly case: FlowTestCase
  readonly clock: Clock
  readonly chronicle: Chronicle
  /** How long the gateway waits for a service. */
  readonly timeoutMs: (service: string) => number
  readonly asked: (service: string) => void
}

/** What services and methods answer in a test: in turn, the last one again and again. */
export class Answers {
  readonly #options: AnswersOptions
  readonly #given = new Map<string, number>()

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  method(device: string, { object, method, args }: MethodCall): readonly unknown[] {
    const { chronicle, case: own } = this.#options
    chronicle.calls.push({ device, object, method, inputs: args })
    chronicle.say(`  call ${device} ${method} ${shown(args)}`)
    return this.#next(`method ${device}`, own.methods[device] ?? [[]])
  }

  async service(ask: ServiceRequest, stop: AbortSignal): Promise<ServiceAnswer> {
    const { case: own, file, clock, chronicle, asked, timeoutMs } = this.#options
    const steps = own.services[ask.service] ?? file.services[ask.service] ?? [{ kind: 'away' }]
    chronicle.requested(ask)
    asked(ask.service)
    const next = this.#next<ServiceStep>(`service ${ask.service}`, steps)
    const limitMs = timeoutMs(ask.service)
    if (next.kind === 'answer') {
      await clock.sleep(Math.min(limitMs, next.afterMs), stop)
      if (next.afterMs < limitMs) return { status: next.status, body: next.body }
    }
    throw new Fault('service.unreachable', `The service ${ask.service} does not answer.`, {
      remedy: 'The test says so.',
      isRetryable: true,
    })
  }

  #next<Item>(key: string, items: readonly Item[]): Item {
    const place = this.#given.get(key) ?? 0
    this.#given.set(key, place + 1)
    const item = items[Math.min(place, items.length - 1)]
    if (item === undefined) throw new Error('a list that the schema gives one item has none')
    return item
  }
}
