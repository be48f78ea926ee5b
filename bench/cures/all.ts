import type { Cure } from './cure.ts'
import { modbusCures } from './modbus.ts'
import { modbusPlannerCures } from './modbus-planner.ts'
import { mqttCures } from './mqtt.ts'
import { opcuaCures } from './opcua.ts'
import { runtimeCures } from './runtime.ts'
import { storeCures } from './store.ts'

export const cures: readonly Cure[] = [...modbusCures, ...modbusPlannerCures, ...opcuaCures, ...mqttCures, ...storeCures, ...runtimeCures]
