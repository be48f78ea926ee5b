import { basename, dirname } from 'node:path'
import { Fault } from '../base/fault.ts'
import { durationSchema } from '../base/units.ts'
import { type ProbeAddress, type ProbePlan, type ProbeResult, probe, probeAddress, probeUnits } from '../runtime/probe.ts'
import { commentLine, deviceHeadText, tagLine } from '../site/device-text.ts'
import { replaceFile } from '../site/one-device.ts'
import { keepWhatIsThere } from './device-out.ts'
import { probeTable, shown } from './probe-table.ts'
import { stopSignal } from './stop-signal.ts'
import type { Terminal } from './terminal.ts'

export interface ProbeCommand {
  readonly url: string
  readonly from: string
  readonly count: number
  readonly samples: number
  readonly interval: string
  readonly pause: string
  readonly units?: string
  readonly wide?: boolean
  readonly asDevice?: string
  readonly json?: boolean
  readonly out?: string
  readonly force?: boolean
}

const unitMax = 255

/** `lineside probe`: looks at a Modbus device without ever writing to it; 3 where it cannot be reached. */
export async function probeCommand(command: ProbeCommand, terminal: Terminal): Promise<number> {
  const stop = terminal.stop ?? stopSignal()
  const address = probeAddress(command.url)
  await keepWhatIsThere(command)
  const plan: ProbePlan = {
    address,
    from: command.from,
    count: command.count,
    samples: command.samples,
    intervalMs: durationOf('--interval', command.interval),
    pauseMs: durationOf('--pause', command.pause),
    signal: stop,
  }
  const units = command.units === undefined ? undefined : unitsOf(command.units)
  try {
    const text = units === undefined ? await probed(plan, command) : await unitsText(plan, { units, isJson: command.json === true })
    if (command.out === undefined) terminal.out(text)
    else await replaceFile(dirname(command.out), basename(command.out), text)
    return 0
  } catch (error) {
    if (stop.aborted) {
      terminal.error('Interrupted.\n')
      return 1
    }
    if (!(error instanceof Fault) || !error.code.startsWith('modbus.')) throw error
    terminal.error(`${error.message}  (${error.code})\n    ${error.remedy}\n`)
    return 3
  }
}

async function probed(plan: ProbePlan, { asDevice, json = false, wide = false }: ProbeCommand): Promise<string> {
  const result = await probe(plan)
  if (asDevice !== undefined) return deviceText(asDevice, plan.address, result)
  if (json) return `${JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2)}\n`
  return probeTable(result, { isWide: wide })
}

async function unitsText(
  plan: ProbePlan,
  { units, isJson }: { readonly units: readonly number[]; readonly isJson: boolean },
): Promise<string> {
  const found = await probeUnits(plan, units)
  if (isJson) return `${JSON.stringify({ asked: units, units: found }, null, 2)}\n`
  const lines = found.map(({ unit, answer }) => `unit ${unit} answers${answer === 'data' ? '' : ` with exception ${answer}`}`)
  return `${[...lines, `${found.length} of ${units.length} units answer.`].join('\n')}\n`
}

/** A tag for each value that is plausible, named after its address: what it means is for the engineer to say. */
function deviceText(
  device: string,
  { driver, connection }: ProbeAddress,
  { area, order, unit, stretches, bits, holes }: ProbeResult,
): string {
  const sections = { connection: { ...connection, unit }, ...(order === 'ABCD' ? {} : { modbus: { order } }) }
  const comments = [
    'Written by `lineside probe`: types are guesses from what the registers held. Compare them with the manual, and give the tags their names.',
  ]
  const tags = stretches.flatMap(({ proposals }) => proposals.flatMap((proposal, place) => proposalLines(proposals, proposal, place)))
  const flags = bits.map(({ at, value }) => tagLine(nameOf(at), { at }, String(value)))
  const refused = holes.map(({ start, count, code }) =>
    commentLine(`${area}:${start} to ${area}:${start + count - 1} cannot be read: exception ${code}`),
  )
  const isEmpty = ![...tags, ...flags].some((line) => !line.trimStart().startsWith('#'))
  return [deviceHeadText({ device, driver, sections, comments }), ...tags, ...flags, ...refused, ...(isEmpty ? ['  {}\n'] : [])].join('')
}

type Proposals = ProbeResult['stretches'][number]['proposals']

/** Registers that hold nothing yet are told of once for all that are side by side. */
function proposalLines(all: Proposals, { at, type, value, why }: Proposals[number], place: number): readonly string[] {
  if (type !== 'zero') return [tagLine(nameOf(at), { at, type }, `${shown(value)}: ${why}`)]
  if (all[place - 1]?.type === 'zero') return []
  const end = all.findIndex((other, later) => later > place && other.type !== 'zero')
  const last = all[(end < 0 ? all.length : end) - 1]?.at ?? at
  return [commentLine(last === at ? `${at} is 0` : `${at} to ${last} are 0`)]
}

function nameOf(at: string): string {
  return at.replace(':', '-')
}

function durationOf(option: string, text: string): number {
  const parsed = durationSchema({ max: '1h' }).safeParse(text)
  if (parsed.success) return parsed.data
  throw new Fault('probe.option', `${option} ${text.slice(0, 40)}: ${parsed.error.issues[0]?.message}.`, {
    remedy: 'Write it like 500ms or 2s.',
  })
}

/** `1-10`, `1,2,5`. */
function unitsOf(text: string): readonly number[] {
  const units = text.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part.trim()) ?? []
    if (first === undefined || Number(last) > unitMax || Number(last) < Number(first)) {
      throw new Fault('probe.option', `--units ${text.slice(0, 40)} is no list of units.`, {
        remedy: `Write it like 1-10 or 1,2,5, up to ${unitMax}.`,
      })
    }
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, place) => Number(first) + place)
  })
  return [...new Set(units)]
}
