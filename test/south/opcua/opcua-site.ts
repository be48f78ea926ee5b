import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { asTagId, type Reading, type Tag } from '../../../src/model/tag.ts'
import type { Connection } from '../../../src/south/driver.ts'
import { type OpcuaAddress, opcuaSchema } from '../../../src/south/opcua/config.ts'
import { opcuaDriver } from '../../../src/south/opcua/driver.ts'
import { type OpcuaPeer, type OpcuaPeerOptions, startOpcuaPeer } from '../../support/opcua-peer-process.ts'
import { type KeptLog, keptLog } from '../../support/quiet-log.ts'

/** A node of the peer. */
export const plant = (name: string, more: Partial<OpcuaAddress> = {}): OpcuaAddress => ({ node: `nsu=urn:test:plant;s=${name}`, ...more })

export function tagsAt(addresses: readonly OpcuaAddress[]): readonly Tag<OpcuaAddress>[] {
  return addresses.map((address, place) => ({ id: asTagId(`plc/t${place}`), device: 'plc', path: `t${place}`, scan: 'normal', address }))
}

export async function stateFolder(parts: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-opcua-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function peerIn(parts: AsyncDisposableStack, options: OpcuaPeerOptions = {}): Promise<OpcuaPeer> {
  return parts.use(await startOpcuaPeer(options))
}

export interface ConnectOptions {
  readonly connection?: object
  readonly opcua?: object
  readonly folder?: string
  readonly log?: KeptLog
  /** As device.ts keeps it: one object over all connections. */
  readonly config?: ReturnType<typeof configFor>
}

export function configFor(url: string, { connection = {}, opcua = {} }: ConnectOptions = {}) {
  return opcuaSchema.config.parse({
    connection: { url, security: 'None', ...connection },
    opcua: { publishing: '50ms', sampling: '20ms', ...opcua },
  })
}

export async function connect(
  parts: AsyncDisposableStack,
  url: string,
  addresses: readonly OpcuaAddress[],
  options: ConnectOptions = {},
): Promise<Connection> {
  const context = {
    signal: AbortSignal.timeout(30_000),
    clock: systemClock,
    log: options.log ?? keptLog(),
    stateFolder: options.folder ?? (await stateFolder(parts)),
  }
  return parts.use(await opcuaDriver.connect(options.config ?? configFor(url, options), tagsAt(addresses), context))
}

/** The latest reading of each tag, as it comes. */
export async function latestOf(connection: Connection): Promise<Map<number, Reading>> {
  const latest = new Map<number, Reading>()
  if (connection.source.kind !== 'subscribed') throw new Error('not subscribed')
  await connection.source.subscribe((readings) => {
    for (const reading of readings) latest.set(reading.tag, reading)
  }, new AbortController().signal)
  return latest
}

export const until = (): AbortSignal => AbortSignal.timeout(15_000)

/** One peer for all tests of a file that leave it as it was: a server takes seconds to start where the machine is busy. */
export function sharedPeer(options: OpcuaPeerOptions = {}): { readonly url: string; readonly peer: OpcuaPeer } {
  let peer: OpcuaPeer | undefined
  const started = (): OpcuaPeer => {
    if (peer === undefined) throw new Error('the shared peer is not started yet')
    return peer
  }
  beforeAll(async () => {
    peer = await startOpcuaPeer(options)
  })
  afterAll(async () => await peer?.[Symbol.asyncDispose]())
  return {
    get url() {
      return started().url
    },
    get peer() {
      return started()
    },
  }
}

/** As `expect.poll`, with the patience that a busy machine needs: a server and a client of node-opcua start beside many others. */
export const soon = <T>(look: () => T) => expect.poll(look, { timeout: 10_000 })
