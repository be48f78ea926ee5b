import { InvalidArgumentError } from 'commander'

/** For an option that takes one. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= min && number <= max) return number
    throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`)
  }
}
