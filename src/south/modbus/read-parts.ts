import type { Item } from './item.ts'
import type { Answer } from './pdu.ts'
import { type Block, splitBlock } from './planner.ts'

/** A request, and what the device said to it. */
export interface Part {
  readonly block: Block<Item>
  readonly answer: Answer
}

/** Illegal address; some devices say illegal function, illegal value or device failure instead. A smaller request may tell the hole from what can be read. */
export function isAddressRefusal(code: number): boolean {
  return isMissing(code) || code === 4
}

/** What does not exist, be it the function for a whole area, unlike what fails (exception 4) and may be given any moment. */
export function isMissing(code: number): boolean {
  return code === 1 || code === 2 || code === 3
}

/** The device is there, but has no time or no way to the unit: what is asked for may well exist. */
export function isPassing(code: number): boolean {
  return code === 5 || code === 6 || isUnitAbsent(code)
}

/** A gateway's word for a unit that does not answer it. */
export function isUnitAbsent(code: number): boolean {
  return code === 10 || code === 11
}

/** Reads a block, in ever smaller parts where the device refuses it: at most two requests an item. */
export async function readParts(block: Block<Item>, read: (block: Block<Item>) => Promise<Answer>): Promise<readonly Part[]> {
  return await splitWhileRefused({ block, answer: await read(block) }, read)
}

export async function splitWhileRefused(part: Part, read: (block: Block<Item>) => Promise<Answer>): Promise<readonly Part[]> {
  const halves = part.answer.kind === 'exception' && isAddressRefusal(part.answer.code) ? splitBlock(part.block) : undefined
  if (halves === undefined) return [part]
  const [one, other] = halves
  return [...(await readParts(one, read)), ...(await readParts(other, read))]
}
