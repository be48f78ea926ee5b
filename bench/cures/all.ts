import type { Cure } from './cure.ts'
import { modbusCures } from './modbus.ts'
import { opcuaCures } from './opcua.ts'

export const cures: readonly Cure[] = [...modbusCures, ...opcuaCures]
