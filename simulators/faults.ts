/** What can go wrong with a device on request. */
export type PlantFault =
  /** It takes requests and says nothing. */
  | { readonly kind: 'silence' }
  /** It hangs up, now and on whatever is said to it. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'late'; readonly ms: number }
  /** Modbus: the exception that answers everything. OPC UA: the status that all values have. */
  | { readonly kind: 'exception'; readonly code: number }
  /** One value, or all, no longer move. */
  | { readonly kind: 'freeze'; readonly point?: string }
  /** Nobody listens on its port. An OPC UA server is stopped: its sessions are lost. */
  | { readonly kind: 'refuse' }
  /** It answers with bytes that are no answer. */
  | { readonly kind: 'garbage' }
  /** OPC UA: it restarts with its namespace at another index. */
  | { readonly kind: 'namespace' }

export interface FaultRequest {
  readonly device: string
  readonly fault: PlantFault
  /** Absent: until it is cleared. */
  readonly seconds?: number
}

const lateMsDefault = 1_000
const exceptionCodeDefault = 4

/** The fault of this name; the argument is what may follow it: ms, a code or a point. */
export function faultOf(kind: string, argument: string | undefined): PlantFault {
  switch (kind) {
    case 'silence':
    case 'drop':
    case 'refuse':
    case 'garbage':
    case 'namespace':
      return { kind }
    case 'late':
      return { kind, ms: wholeNumber(argument, lateMsDefault) }
    case 'exception':
      return { kind, code: wholeNumber(argument, exceptionCodeDefault) }
    case 'freeze':
      return { kind, ...(argument === undefined ? {} : { point: argument }) }
    default:
      throw new Error(
        `there is no fault "${kind}"; take one of silence, drop, late=MS, exception=CODE, freeze=POINT, refuse, garbage, namespace`,
      )
  }
}

/** `filler-1:late=800:5`: device, fault with its argument, seconds. */
export function parseFaultText(text: string): FaultRequest {
  const [device = '', named = '', seconds, ...rest] = text.split(':')
  const [kind = '', argument] = named.split('=', 2)
  if (device === '' || kind === '' || rest.length > 0) throw new Error(`"${text}" is not DEVICE:FAULT[=ARGUMENT][:SECONDS]`)
  return { device, fault: faultOf(kind, argument), ...(seconds === undefined ? {} : { seconds: positive(seconds) }) }
}

/** `{"fail":"filler-1","fault":"late","ms":800,"seconds":5}`, or `"fault":"late=800"`; `{"clear":"filler-1"}`. */
export function parseFaultLine(line: string): FaultRequest | { readonly clear: string } {
  const said = JSON.parse(line) as Readonly<Record<string, unknown>>
  if (typeof said['clear'] === 'string') return { clear: said['clear'] }
  if (typeof said['fail'] !== 'string' || typeof said['fault'] !== 'string') throw new Error('a line holds "fail" and "fault", or "clear"')
  const [kind = '', inline] = said['fault'].split('=', 2)
  const argument = said['ms'] ?? said['code'] ?? said['point'] ?? inline
  const fault = faultOf(kind, argument === undefined ? undefined : String(argument))
  return { device: said['fail'], fault, ...(said['seconds'] === undefined ? {} : { seconds: positive(String(said['seconds'])) }) }
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isInteger(value) || value < 0) throw new Error(`"${text}" is no whole number`)
  return value
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 86_400)) throw new Error(`"${text}" is no number of seconds`)
  return value
}
