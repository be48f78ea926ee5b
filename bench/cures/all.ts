import type { Cure } from './cure.ts'
import { modbusCures } from './modbus.ts'

export const cures: readonly Cure[] = [...modbusCures]
