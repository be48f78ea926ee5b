import { Fault } from '../base/fault.ts'
import type { Tag } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { Driver } from '../south/driver.ts'
import { sharingAcross as modbusSharing } from '../south/modbus/sharing.ts'
import { sharingAcross as opcuaSharing } from '../south/opcua/sharing.ts'

/** Loaded only where a device of the site needs it: an OPC UA client costs 60 MB that a Modbus site keeps. */
const drivers: Readonly<Record<string, () => Promise<Driver<unknown, unknown>>>> = {
  'modbus-tcp': async () => erased((await import('../south/modbus/driver.ts')).modbusTcpDriver),
  'modbus-rtu': async () => erased((await import('../south/modbus/driver.ts')).modbusRtuDriver),
  'modbus-rtu-tcp': async () => erased((await import('../south/modbus/driver.ts')).modbusRtuTcpDriver),
  opcua: async () => erased((await import('../south/opcua/driver.ts')).opcuaDriver),
}

export async function loadDriver(name: string): Promise<Driver<unknown, unknown>> {
  const load = drivers[name]
  if (load === undefined) {
    throw new Fault('driver.unknown', `There is no driver ${name}.`, { remedy: `Use one of: ${Object.keys(drivers).join(', ')}.` })
  }
  return await load()
}

/** Whether loading the driver holds up the thread noticeably. */
export function loadsSlowly(name: string): boolean {
  return name === 'opcua'
}

/** The driver's own types end here: `site` has parsed its config and addresses by the schema of the same name. */
function erased<Config, Address>(driver: Driver<Config, Address>): Driver<unknown, unknown> {
  return driver as Driver<unknown, unknown>
}

type Sharing = (members: readonly Pick<DeviceConfig, 'config' | 'tags'>[]) => readonly (readonly [Tag<unknown>, Tag<unknown>])[]

/** They look at what the files say, and need no driver for it. */
const sharings: Readonly<Record<string, unknown>> = {
  'modbus-tcp': modbusSharing,
  'modbus-rtu': modbusSharing,
  'modbus-rtu-tcp': modbusSharing,
  opcua: opcuaSharing,
}

/** Tags of different device files that show one place, where one of them may be written. */
export function sharingAcross(devices: readonly DeviceConfig[]): ReturnType<Sharing> {
  const byDriver = [...Map.groupBy(devices, ({ driver }) => driver)]
  return byDriver.flatMap(([name, members]) => (sharings[name] as Sharing | undefined)?.(members) ?? [])
}
