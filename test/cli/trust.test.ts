import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { siteFolder } from '../site/site-folder.ts'

const [old, renewed] = ['a'.repeat(64), 'b'.repeat(64)]
const device = (name: string, driver: string): string =>
  driver === 'opcua'
    ? `device: ${name}\ndriver: opcua\nconnection: { url: "opc.tcp://127.0.0.1:4840" }\ntags: { speed: { node: i=2258 } }\n`
    : `device: ${name}\ndriver: modbus-tcp\nconnection: { host: 127.0.0.1 }\ntags: { speed: { at: hr:1, type: u16 } }\n`

async function lineside(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly error: string }> {
  const [out, error]: [string[], string[]] = [[], []]
  const terminal = { out: (text: string) => void out.push(text), error: (text: string) => void error.push(text), environment: {} }
  const code = await runProgram(args, terminal)
  return { code, out: out.join(''), error: error.join('') }
}

/** A site whose press was shown another certificate than the one it trusts. */
async function site(parts: AsyncDisposableStack): Promise<{ readonly path: string; readonly state: string }> {
  const folder = parts.use(
    await siteFolder({ 'devices/press.yaml': device('press', 'opcua'), 'devices/meter.yaml': device('meter', 'modbus-tcp') }),
  )
  const state = join(folder.path, 'state', 'control', 'devices', 'press')
  await folder.write({ 'lineside.yaml': `site: acme/line-1\nstorage: { path: ${join(folder.path, 'state')} }\n` })
  await mkdir(state, { recursive: true })
  await writeFile(join(state, 'server-certificate.sha256'), `${old}\n`)
  const refused = [
    { fingerprint: renewed, subject: 'CN=Press\u001b[2J', notAfter: '2030-01-01T00:00:00.000Z', firstSeen: '2026-11-21T02:30:00.000Z' },
  ]
  await writeFile(join(state, 'refused-certificates.json'), JSON.stringify(refused))
  return { path: folder.path, state }
}

describe('lineside trust', () => {
  it('lists what each OPC UA device trusts and has refused', async () => {
    await using parts = new AsyncDisposableStack()
    const { path } = await site(parts)
    const { code, out } = await lineside('trust', path)
    expect(code).toBe(1)
    expect(out).toContain(`press\n  trusts   ${old}\n  refused  ${renewed}  CN=Press�[2J, valid until 2030`)
    expect(out).not.toContain('meter')
    const { out: json } = await lineside('trust', path, '--json')
    expect(JSON.parse(json)).toMatchObject({ devices: [{ device: 'press', pinned: old, refused: [{ fingerprint: renewed }] }] })
  })

  it('accepts another certificate, as people copy its fingerprint', async () => {
    await using parts = new AsyncDisposableStack()
    const { path, state } = await site(parts)
    const copied = renewed.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:')
    expect(await lineside('trust', 'press', copied, '--site', path)).toMatchObject({ code: 0, error: '' })
    expect(await readFile(join(state, 'server-certificate.sha256'), 'utf8')).toBe(`${renewed}\n`)
    expect(await lineside('trust', path)).toMatchObject({ code: 0, out: `press\n  trusts   ${renewed}\n` })
  })

  it('accepts neither what is no fingerprint, nor one for a device that has none', async () => {
    await using parts = new AsyncDisposableStack()
    const { path } = await site(parts)
    expect(await lineside('trust', 'press', 'abc', '--site', path)).toMatchObject({
      code: 1,
      error: expect.stringContaining('no sha256 fingerprint'),
    })
    const { code, error } = await lineside('trust', 'meter', renewed, '--site', path)
    expect([code, error]).toEqual([1, expect.stringContaining('It has: press.')])
    expect((await lineside('trust', join(path, 'nowhere'))).code).toBe(1)
  })
})
