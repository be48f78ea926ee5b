import { Fault } from '../../base/fault.ts'
import type { BenchLife } from './bench-life.ts'
import type { BenchStore } from './bench-store.ts'
import { type Chronicle, shown } from './chronicle.ts'
import type { Deed } from './definition.ts'

export interface Around {
  readonly life: BenchLife
  readonly chronicle: Chronicle
  readonly store: BenchStore
  /** The one under test. */
  readonly flow: string
}

/** What people do; what is refused is kept, for the case may mean it so. */
export async function obey(deed: Deed, around: Around): Promise<void> {
  const { chronicle } = around
  try {
    await start(deed, around)
    await answer(deed, around)
    await order(deed, around)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    chronicle.say(`  refused: ${error.message} (${error.code})`)
    chronicle.refused.push(error.code)
  }
}

async function start({ start: wish }: Deed, { life, chronicle, flow: own }: Around): Promise<void> {
  if (wish === undefined) return
  const { flow = own, input, role, by } = wish
  chronicle.say(`${by} starts ${flow} ${shown(input)}`)
  await life.port.startFlow({ flow, input, by: { road: 'test', name: by, role } })
}

async function answer({ answer: wish }: Deed, around: Around): Promise<void> {
  if (wish === undefined) return
  const { step, verdict, by, role, comment } = wish
  around.chronicle.say(`${by} answers ${step}: ${verdict}`)
  const why = comment === undefined ? {} : { why: comment }
  const run = runThat((asks) => asks.includes(step), around)
  await around.life.port.steerRun({ act: 'answer', run, step, verdict, by: { road: 'test', name: by, role }, ...why })
}

async function order({ order: wish }: Deed, around: Around): Promise<void> {
  if (wish === undefined) return
  const { act, step, by, role, why, undo } = wish
  around.chronicle.say(`${by} orders ${act}${step === undefined ? '' : ` ${step}`}`)
  const named = { ...(step === undefined ? {} : { step }), ...(why === undefined ? {} : { why }), isLeftAsItStands: !undo }
  await around.life.port.steerRun({ act, run: runThat(() => true, around), by: { road: 'test', name: by, role }, ...named })
}

/** The last one, of the flow under test first, that asks so. */
function runThat(isIt: (asks: readonly string[]) => boolean, { life, store, flow }: Around): string {
  const live = [...(life.flows?.runs.all ?? [])].filter(({ run }) => isIt(run.questions.map(({ key }) => key)))
  const own = live.findLast(({ run }) => run.flow.name === flow) ?? live.at(-1)
  return own?.run.id ?? store.runsOf(flow).at(-1)?.run ?? 'none'
}
