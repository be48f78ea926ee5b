import type { z } from 'zod'
import type { Tag } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { modbusRtu, modbusRtuTcp, modbusTcp } from '../south/modbus/config.ts'
import { opcuaSchema } from '../south/opcua/config.ts'
import type { Finding, Path } from './source.ts'

/** A driver as far as its part of a device file goes; no protocol library stands behind it. */
export interface SiteDriver {
  readonly name: string
  readonly config: z.ZodType
  readonly address: z.ZodType
  check(config: unknown, tags: readonly Tag<unknown>[]): readonly (Finding & { readonly path: Path })[]
  sharing?(config: unknown, tags: readonly Tag<unknown>[]): readonly (readonly [number, number])[]
  sharingAcross?(members: readonly Pick<DeviceConfig, 'config' | 'tags'>[]): readonly (readonly [Tag<unknown>, Tag<unknown>])[]
  lineOf?(config: unknown): string | undefined
  peerOf?(config: unknown): { readonly place: string; readonly speaks: string } | undefined
  checkLine?(
    members: readonly Pick<DeviceConfig, 'device' | 'config' | 'scanMs' | 'tags'>[],
  ): readonly (Finding & { readonly path: Path; readonly device: string })[]
}

export const siteDrivers: readonly SiteDriver[] = [modbusTcp, modbusRtu, modbusRtuTcp, opcuaSchema]

export function findDriver(name: unknown): SiteDriver | undefined {
  return siteDrivers.find((driver) => driver.name === name)
}
