/** UN/ECE Recommendation 20 codes of units as people write them (OPC 10000-8, 5.6.3). */
const codes: Readonly<Record<string, string>> = {
  '°C': 'CEL',
  K: 'KEL',
  '°F': 'FAH',
  bar: 'BAR',
  mbar: 'MBR',
  Pa: 'PAL',
  hPa: 'A97',
  kPa: 'KPA',
  MPa: 'MPA',
  psi: 'PS',
  V: 'VLT',
  mV: '2Z',
  kV: 'KVT',
  A: 'AMP',
  mA: '4K',
  Ω: 'OHM',
  W: 'WTT',
  kW: 'KWT',
  MW: 'MAW',
  Wh: 'WHR',
  kWh: 'KWH',
  Hz: 'HTZ',
  kHz: 'KHZ',
  s: 'SEC',
  ms: 'C26',
  min: 'MIN',
  h: 'HUR',
  d: 'DAY',
  m: 'MTR',
  mm: 'MMT',
  cm: 'CMT',
  µm: '4H',
  kg: 'KGM',
  g: 'GRM',
  t: 'TNE',
  l: 'LTR',
  L: 'LTR',
  ml: 'MLT',
  hl: 'HLT',
  'm³': 'MTQ',
  'm/s': 'MTS',
  'm/min': '2X',
  'l/min': 'L2',
  'l/h': 'E32',
  'm³/h': 'MQH',
  '1/min': 'C94',
  rpm: 'RPM',
  '1/h': 'C97',
  '%': 'P1',
  ppm: '59',
  N: 'NEW',
  Nm: 'NU',
  '°': 'DD',
  rad: 'C81',
  lx: 'LUX',
  dB: '2N',
}

export interface EngineeringUnits {
  readonly namespaceUri: string
  readonly unitId: number
  readonly displayName: { readonly text: string }
  readonly description: { readonly text: string }
}

/** The unit as OPC UA carries it; one without a code keeps its text, and -1 for an id. */
export function engineeringUnits(unit: string): EngineeringUnits {
  const code = codes[unit]
  // The id is the code's characters, one a byte (OPC 10000-8, 5.6.3.3).
  const unitId = code === undefined ? -1 : [...code].reduce((id, character) => id * 256 + character.charCodeAt(0), 0)
  return {
    namespaceUri: code === undefined ? 'urn:lineside:units' : 'http://www.opcfoundation.org/UA/units/un/cefact',
    unitId,
    displayName: { text: unit },
    description: { text: unit },
  }
}
