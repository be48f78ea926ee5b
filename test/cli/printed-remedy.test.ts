import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { opcuaSchema } from '../../src/south/opcua/config.ts'
import { opcuaDriver } from '../../src/south/opcua/driver.ts'
import { freePort } from '../north/support/program.ts'
import { siteFolder } from '../site/site-folder.ts'
import { lineside, type Ran } from '../support/lineside-program.ts'
import { type OpcuaPeer, startOpcuaPeer } from '../support/opcua-peer-process.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'

vi.setConfig({ testTimeout: 120_000 }) // servers and programs of their own, on a machine that may be busy

const main = fileURLToPath(new URL('../../bin/lineside.js', import.meta.url))
const security = 'Basic256Sha256/SignAndEncrypt'

interface Plant {
  readonly site: { readonly path: string }
  readonly url: string
  readonly statePath: string
  run(...args: readonly string[]): Promise<Ran>
  /** Another server takes the place of the one that was there; its namespaces may have other indexes. */
  replace(shift?: number): Promise<void>
  /** Types what a message says between backquotes, as it stands there. */
  type(said: string): Promise<string>
}

/** A folder with a blank in its name: what is printed must be typed as it stands. */
async function plant(branch = '{ from: /Objects, depth: 2 }'): Promise<Plant> {
  const port = await freePort()
  const state = makeStateFolder()
  onTestFinished(() => state[Symbol.dispose]())
  const environment = { XDG_STATE_HOME: join(state.path, 'of me') }
  const statePath = join(state.path, 'the state')
  let peer: OpcuaPeer = await startOpcuaPeer({ port })
  onTestFinished(() => peer.kill())
  const site = await siteFolder({
    'lineside.yaml': `site: acme/line-1\nstorage: { path: "${statePath}" }\n`,
    'devices/plc.yaml': `device: plc\ndriver: opcua\nconnection: { url: "${peer.url}", security: ${security} }\nimport: [${branch}]\n`,
  })
  onTestFinished(() => site[Symbol.asyncDispose]())
  return {
    site,
    url: peer.url,
    statePath,
    run: (...args) => lineside(args, { environment }),
    replace: async (shift = 0) => {
      await peer.kill()
      peer = await startOpcuaPeer({ port, shift })
    },
    type: async (said) => {
      const command = /run `(lineside trust [^`]+)`/.exec(said)?.[1] ?? `echo nothing to type in: ${said}`
      const script = `lineside() { "${process.execPath}" "${main}" "$@"; }; ${command}`
      const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script], { env: { ...process.env, ...environment }, cwd: state.path })
      return stdout
    },
  }
}

describe('what is printed when the certificate of a server has changed', () => {
  it('mends lineside import and lineside browse when it is typed', async () => {
    const { run, replace, type, url, site } = await plant()
    const importing = ['import', 'plc', '--site', site.path]
    const browsing = ['browse', url, '--security', security, '--depth', '1']
    expect(await run(...importing)).toMatchObject({ code: 0, error: expect.not.stringContaining('opcua.') })
    await replace()
    const refused = await run(...importing)
    expect(refused).toMatchObject({ code: 3, error: expect.stringContaining('opcua.certificate-changed') })
    expect(await run(...browsing)).toMatchObject({ code: 3 })
    expect(await run('trust', url)).toMatchObject({ code: 1, out: expect.stringContaining(`lineside trust ${url} `) })
    expect(await type(refused.error)).toContain('from now on')
    expect(await run(...importing)).toMatchObject({ code: 0, error: expect.not.stringContaining('opcua.') })
    expect(await run(...browsing)).toMatchObject({ code: 0 })
  })

  it('mends a device of a gateway when it is typed anywhere', async () => {
    const { replace, type, url, site, statePath } = await plant()
    const config = opcuaSchema.config.parse({ connection: { url, security } })
    const connect = async (): Promise<string> => {
      const stateFolder = join(statePath, 'control/devices/plc')
      const context = { signal: AbortSignal.timeout(30_000), clock: systemClock, log: keptLog(), stateFolder }
      try {
        await using _connection = await opcuaDriver.connect(config, [], { ...context, trustedAs: { name: 'plc', site: site.path } })
        return 'connected'
      } catch (error) {
        return (error as { readonly remedy: string }).remedy
      }
    }
    expect(await connect()).toBe('connected')
    await replace()
    const remedy = await connect()
    expect(await type(remedy)).toContain('plc trusts the server')
    expect(await connect()).toBe('connected')
  })

  it('does not matter to lineside import --trust any', async () => {
    const { run, replace, site } = await plant()
    const importing = ['import', 'plc', '--site', site.path]
    expect(await run(...importing)).toMatchObject({ code: 0, error: expect.not.stringContaining('opcua.') })
    await replace()
    expect(await run(...importing, '--trust', 'any')).toMatchObject({ code: 0 })
    expect(await run(...importing)).toMatchObject({ code: 3 })
  })
})

describe('lineside import', () => {
  it('finds a branch that is named by index when its namespace has been given another index', async () => {
    const { run, replace, site } = await plant('{ from: /Objects/2:Line, include: [Double] }, { from: "ns=2;s=Int16", into: whole }')
    const importing = ['import', 'plc', '--site', site.path, '--trust', 'any']
    expect(await run(...importing)).toMatchObject({ code: 0, out: expect.stringContaining('2 added') })
    await replace(2)
    expect(await run(...importing)).toMatchObject({ code: 0, out: expect.stringContaining('0 added, 0 changed, 0 gone, 2 the same') })
  })
})
