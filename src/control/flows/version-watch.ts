import { errorFields } from '../../base/log.ts'
import type { OneFlow } from './all-flows.ts'
import { definitionOf } from './kept.ts'
import type { FlowsOptions } from './ports.ts'
import { definitionHash } from './version.ts'

/**
 * Whoever changes what a flow means raises its version. Where the last run in the journal began with another definition under the same number, the
 * gateway says so: once at its start, and nothing waits for it.
 */
export async function tellChangedVersions(
  flows: Iterable<OneFlow>,
  options: Pick<FlowsOptions, 'store' | 'record' | 'clock' | 'log'>,
): Promise<void> {
  for (const { compiled } of flows) await tellIfChanged(compiled.definition, options).catch((error: unknown) => forget(error, options))
}

async function tellIfChanged(
  definition: OneFlow['compiled']['definition'],
  { store, record, clock, log }: Pick<FlowsOptions, 'store' | 'record' | 'clock' | 'log'>,
): Promise<void> {
  const { flow, version } = definition
  const [last] = await store.call('runs', { flow, rowsMax: 1 })
  const kept = last === undefined ? null : await store.call('run', { run: last.run })
  if (kept?.definition === undefined) return
  const before = definitionOf(kept.definition)
  const [was, is] = [definitionHash(before), definitionHash(definition)]
  if (before.version !== version || was === is) return
  const data = { flow, version, was, is }
  log.warn('A flow has changed, and its version has not: raise `version` in its file.', data)
  record({ type: 'flow.version-changed', subject: flow, timeMs: clock.now(), data })
}

function forget(error: unknown, { log }: Pick<FlowsOptions, 'log'>): void {
  log.debug('The journal does not tell with which definition a flow last ran.', errorFields(error))
}
