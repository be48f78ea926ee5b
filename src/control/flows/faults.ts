import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'

/** A step that ended otherwise than done. unknown: nobody can say whether it was. */
export class StepFailure extends Error {
  readonly status: 'failed' | 'unknown'
  readonly fault: PlainFault
  /** Of the step that failed first. */
  step: string | undefined

  constructor(status: 'failed' | 'unknown', fault: PlainFault) {
    super(fault.message)
    this.status = status
    this.fault = fault
  }
}

/** Not a failure: whoever is above has ended the matter, and nothing is to be recorded of it. */
export class Stopped extends Error {}

/** An `end` step: the run is complete, whatever else was still to be done. */
export class EndedEarly extends Error {
  readonly output: unknown

  constructor(output: unknown) {
    super('the flow has ended')
    this.output = output
  }
}

export function failureOf(error: unknown): StepFailure {
  return error instanceof StepFailure ? error : new StepFailure('failed', plainFault(error))
}

export function failed(code: string, message: string, remedy: string): StepFailure {
  return new StepFailure('failed', { code, message, remedy, isRetryable: false })
}

export function unknownValue(step: string, what: string): Fault {
  return new Fault('flow.unknown-value', `A value that ${step} needs is missing or not good: ${what}.`, {
    remedy: 'Look at the quality of the tags that the step uses.',
    isRetryable: true,
  })
}

export function inDoubt(step: string, what: string): StepFailure {
  return new StepFailure('unknown', {
    code: 'flow.in-doubt',
    message: `The daemon stopped while ${step} was under way, and ${what}.`,
    remedy: 'Look at the machine, bring it into the right state by hand, and start the flow again if it is still wanted.',
    isRetryable: false,
  })
}

export function tooLarge(step: string, charsMax: number): StepFailure {
  return failed('flow.too-large', `${step} gives more than ${charsMax} characters, and no more are kept.`, 'Take less of it into the flow.')
}

export function timedOut(step: string, ms: number, isUnknown: boolean): StepFailure {
  return new StepFailure(isUnknown ? 'unknown' : 'failed', {
    code: 'flow.timeout',
    message: `${step} was not done within ${ms} ms.`,
    remedy: 'Look at what it waits for; raise its `timeout` if it may take that long.',
    isRetryable: true,
  })
}
