import type { SiteEvent } from '../../model/event.ts'
import { jsonValue } from '../../model/payload.ts'
import type { TagValue } from '../../model/tag.ts'
import type { LocalMessage } from '../contract.ts'
import type { ServiceRequest } from '../flows/step-ports.ts'

export interface Entry {
  readonly atMs: number
  readonly text: string
}

/** Lines of the story of one case: what is beyond them is counted. */
const entriesMax = 500

/** What has happened in one case, for whoever compares it and for whoever reads why it failed. */
export class Chronicle {
  readonly entries: Entry[] = []
  readonly writes: Readonly<Record<string, unknown>>[] = []
  readonly publishes: { readonly topic: string; readonly payload: unknown; readonly retain: boolean }[] = []
  readonly requests: Readonly<Record<string, unknown>>[] = []
  readonly calls: Readonly<Record<string, unknown>>[] = []
  readonly events: SiteEvent[] = []
  readonly refused: string[] = []
  readonly #elapsed: () => number
  readonly #site: string
  readonly #runs = new Map<string, string>()
  untold = 0

  constructor({ elapsed, site }: { readonly elapsed: () => number; readonly site: string }) {
    this.#elapsed = elapsed
    this.#site = site
  }

  say(text: string): void {
    if (this.entries.length >= entriesMax) this.untold += 1
    else this.entries.push({ atMs: this.#elapsed(), text })
  }

  wrote(tag: string, value: TagValue): void {
    const plain = jsonValue(value)
    this.writes.push({ [tag]: plain })
    this.say(`  write ${tag} = ${shown(plain)}`)
  }

  /** The topic as flows write it. */
  published({ topic, payload, isRetained }: LocalMessage): string {
    const below = `${this.#site}/`
    const name = topic.startsWith(below) ? topic.slice(below.length) : `/${topic}`
    const value = parsed(String(payload))
    this.publishes.push({ topic: name, payload: value, retain: isRetained })
    this.say(`  publish ${name} ${shown(value)}`)
    return name
  }

  requested({ service, method, path, headers, body }: ServiceRequest): void {
    this.requests.push({ service, method, path, headers, ...(body === undefined ? {} : { body: parsed(body) }) })
    this.say(`  request ${service}: ${method} ${path}${body === undefined ? '' : ` ${shown(parsed(body))}`}`)
  }

  told(event: SiteEvent): void {
    this.events.push(event)
    const { type, subject, data } = event
    if (type.startsWith('command.') && type !== 'command.refused' && type !== 'command.failed') return
    this.say(this.#eventText(type, subject, data))
  }

  #eventText(type: string, subject: string, data: SiteEvent['data']): string {
    const { run, step, fault, message } = data as {
      run?: string
      step?: string
      fault?: { code: string; message: string }
      message?: string
    }
    const why = fault === undefined ? (message === undefined ? '' : `: ${message}`) : `: ${fault.message} (${fault.code})`
    if (type.startsWith('step.')) return `  ${type} ${step ?? ''}${why}`
    const name = run === undefined || type.startsWith('alarm.') ? '' : ` ${this.#runName(run)}`
    return `${type} ${subject}${name}${why}`
  }

  /** Runs have long names by chance: here they are counted. */
  #runName(run: string): string {
    const known = this.#runs.get(run) ?? `#${this.#runs.size + 1}`
    this.#runs.set(run, known)
    return known
  }
}

const shownCharsMax = 160

export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
