import type { Compiling } from '../compiling.ts'
import type { FlowStep } from '../definition.ts'
import type { Effect } from '../effect.ts'
import { approveEffect } from './approve.ts'
import { callEffect } from './call.ts'
import { queryEffect, readEffect } from './look.ts'
import { pickEffect } from './pick.ts'
import { endEffect, failEffect, logEffect, setEffect } from './plain.ts'
import { publishEffect } from './publish.ts'
import { requestEffect } from './request.ts'
import { runEffect } from './run.ts'
import { clearEffect, emitEffect, raiseEffect } from './tell.ts'
import { waitEffect } from './wait.ts'
import { writeEffects } from './write.ts'

/** What a step does by itself; none where it only leads to other steps. */
export function effectsOf(step: FlowStep, at: Compiling): readonly Effect[] {
  switch (step.kind) {
    case 'write':
      return writeEffects(step, at)
    case 'read':
      return [readEffect(step, at)]
    case 'publish':
      return [publishEffect(step, at)]
    case 'emit':
      return [emitEffect(step, at)]
    case 'wait':
      return [waitEffect(step, at)]
    case 'set':
      return [setEffect(step, at)]
    case 'run':
      return [runEffect(step, at)]
    case 'request':
      return [requestEffect(step, at)]
    case 'call':
      return [callEffect(step, at)]
    case 'query':
      return [queryEffect(step, at)]
    case 'approve':
      return [approveEffect(step, at)]
    case 'pick':
      return [pickEffect(step, at)]
    case 'raise':
      return [raiseEffect(step, at)]
    case 'clear':
      return [clearEffect(step)]
    case 'log':
      return [logEffect(step, at)]
    case 'fail':
      return [failEffect(step, at)]
    case 'end':
      return [endEffect(step, at)]
    case 'switch':
    case 'parallel':
    case 'each':
      return []
    default:
      step satisfies never
      return []
  }
}
