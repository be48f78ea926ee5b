import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { opcuaSchema } from '../../../src/south/opcua/config.ts'
import { opcuaDriver } from '../../../src/south/opcua/driver.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { startBench } from './bench.ts'

/** Before the library is imported: it looks then where the home folder is. */
const home = vi.hoisted(() => {
  const { mkdtempSync } = process.getBuiltinModule('node:fs')
  const path = mkdtempSync(`${process.getBuiltinModule('node:os').tmpdir()}/lineside-home-`)
  for (const name of Object.keys(process.env)) if (name.startsWith('XDG_')) delete process.env[name]
  process.env['HOME'] = path
  return path
})

afterAll(() => process.getBuiltinModule('node:fs').rmSync(home, { recursive: true }))

describe('OPC UA', () => {
  it('keeps the certificates of each side in a folder of its own, and writes nothing into the home folder', async () => {
    using folder = makeStateFolder()
    await using bench = await startBench()
    const signal = AbortSignal.timeout(30_000)
    const config = opcuaSchema.config.parse({ connection: { url: bench.url, security: 'Basic256Sha256/SignAndEncrypt' } })
    const context = { signal, clock: systemClock, log: keptLog(), stateFolder: join(folder.path, 'plc') }
    await using _connection = await opcuaDriver.connect(config, [], context)
    expect((await readdir(context.stateFolder)).toSorted()).toEqual([
      'client-certificate.pem',
      'client-key.pem',
      'server-certificate.sha256',
    ])
    expect(await readdir(home)).toEqual([])
  })
})
