import { describe, expect, it } from 'vitest'
import { modbusRtu, modbusRtuTcp, modbusTcp } from '../../../src/south/modbus/config.ts'
import { loadFiles, siteYaml } from '../../site/site-folder.ts'

const tags = 'tags:\n  a: { at: hr:1, type: u16 }\n'
const device = (name: string, driver: string, connection: string, more = ''): string =>
  `device: ${name}\ndriver: ${driver}\nconnection: { ${connection} }\n${more}${tags}`

/** `file:line:column code` of each problem. */
async function problemsOf(...devices: readonly string[]) {
  const files = Object.fromEntries(devices.map((text, place) => [`devices/d${place + 1}.yaml`, text]))
  const { problems } = await loadFiles({ 'lineside.yaml': siteYaml, ...files })
  return problems
}

const spots = (problems: Awaited<ReturnType<typeof problemsOf>>): readonly string[] =>
  problems.map(({ file, line, column, code }) => `${file}:${line}:${column} ${code}`)

describe('the connection of a serial device', () => {
  it('needs no more than a port, and has the settings of the standard', () => {
    expect(modbusRtu.config.parse({ connection: { port: '/dev/ttyUSB0' } })).toMatchObject({
      line: {
        kind: 'serial',
        path: '/dev/ttyUSB0',
        baud: 19_200,
        parity: 'even',
        stopBits: 1,
        characterBits: 11,
        rts: 'unused',
        hasEcho: false,
      },
      unit: 1,
      timeoutMs: 800,
      inflightMax: 1,
    })
  })

  it('is all taken', () => {
    const connection = {
      port: '/dev/serial/by-id/usb-1',
      baud: 9_600,
      parity: 'none',
      stopBits: 2,
      unit: 17,
      timeout: '2s',
      broadcastPause: '150ms',
      rts: 'send',
      rtsDelay: '2ms',
      echo: true,
    }
    expect(modbusRtu.config.parse({ connection })).toMatchObject({
      line: {
        baud: 9_600,
        parity: 'none',
        stopBits: 2,
        characterBits: 11,
        broadcastPauseMs: 150,
        rts: 'send',
        rtsDelayMs: 2,
        hasEcho: true,
      },
      unit: 17,
      timeoutMs: 2_000,
    })
  })

  it.each([
    ['no port', {}],
    ['a relative port', { port: 'ttyUSB0' }],
    ['a host', { port: '/dev/ttyUSB0', host: '10.0.0.1' }],
    ['unit 248', { port: '/dev/ttyUSB0', unit: 248 }],
    ['a parity that there is not', { port: '/dev/ttyUSB0', parity: 'mark' }],
    ['three stop bits', { port: '/dev/ttyUSB0', stopBits: 3 }],
  ])('refuses %s', (_, connection) => {
    expect(modbusRtu.config.safeParse({ connection }).success).toBe(false)
  })

  it('knows nothing of several requests at once', () => {
    expect(modbusRtu.config.safeParse({ connection: { port: '/dev/ttyUSB0' }, modbus: { inflight: 4 } }).success).toBe(false)
    expect(modbusRtuTcp.config.safeParse({ connection: { host: 'moxa', port: 4001 }, modbus: { inflight: 4 } }).success).toBe(false)
  })
})

describe('the connection of a device behind TLS', () => {
  it('goes to port 802, unless told otherwise', () => {
    expect(modbusTcp.config.parse({ connection: { host: 'plc', tls: {} } }).line).toMatchObject({ port: 802, tls: { isVerified: true } })
    expect(modbusTcp.config.parse({ connection: { host: 'plc', port: 8802, tls: {} } }).line).toMatchObject({ port: 8_802 })
  })

  it.each([
    ['a key without its certificate', { key: '/etc/lineside/key.pem' }],
    ['a relative path', { ca: 'ca.pem' }],
    ['the text of a key', { cert: '/c.pem', key: '-----BEGIN PRIVATE KEY-----' }],
    ['a secret that is misspelt', { ca: '${secret ca}' }],
  ])('refuses %s', (_, tls) => {
    expect(modbusTcp.config.safeParse({ connection: { host: 'plc', tls } }).success).toBe(false)
  })

  it('is warned about where nobody looks at the certificate', async () => {
    const problems = await problemsOf(device('plc', 'modbus-tcp', 'host: 10.0.0.1, tls: { verify: false }'))
    expect(spots(problems)).toEqual(['devices/d1.yaml:3:46 modbus.tls-unverified'])
    expect(problems[0]?.severity).toBe('warning')
  })

  it('names secrets that must be there', async () => {
    const problems = await problemsOf(device('plc', 'modbus-tcp', "host: 10.0.0.1, tls: { ca: '${secret:plc-ca}' }"))
    expect(problems.map(({ code }) => code)).toEqual(['secret.unknown'])
  })
})

describe('two device files on one line', () => {
  const on = (name: string, connection: string, more = ''): string => device(name, 'modbus-rtu', `port: /dev/ttyUSB0, ${connection}`, more)

  it('pass when they want it the same', async () => {
    expect(await problemsOf(on('one', 'baud: 9600, unit: 1'), on('two', 'baud: 9600, unit: 2, timeout: 2s'))).toEqual([])
  })

  it('are told where they do not, and what to write', async () => {
    const problems = await problemsOf(on('one', 'baud: 9600'), on('two', 'baud: 19200, parity: none, unit: 2'))
    expect(spots(problems)).toEqual(['devices/d2.yaml:3:41 modbus.line-conflict', 'devices/d2.yaml:3:56 modbus.line-conflict'])
    expect(problems[0]).toMatchObject({
      message: '`baud` is 19200 here and 9600 in one, and both share /dev/ttyUSB0.',
      remedy: 'Write the same `baud` in both: one port has one setting.',
      severity: 'error',
    })
  })

  it('may differ on TCP where they do not share', async () => {
    const tcp = (name: string, more: string, modbus = ''): string => device(name, 'modbus-tcp', `host: 10.0.0.1, ${more}`, modbus)
    const four = 'modbus: { inflight: 4 }\n'
    expect(spots(await problemsOf(tcp('one', 'unit: 1'), tcp('two', 'unit: 2', four)))).toEqual([
      'devices/d2.yaml:4:21 modbus.line-conflict',
    ])
    expect(await problemsOf(tcp('one', 'unit: 1'), tcp('two', 'unit: 2, shared: false', four))).toEqual([])
  })
})

describe('unit 0 of a serial line', () => {
  const written = (tag: string): string => `device: all\ndriver: modbus-rtu\nconnection: { port: /dev/ttyUSB0 }\ntags:\n  a: ${tag}\n`

  it('can only be written, and not be read back', async () => {
    expect(spots(await problemsOf(written('{ at: 0/hr:1, type: u16 }')))).toEqual(['devices/d1.yaml:5:12 modbus.broadcast-read'])
    expect(spots(await problemsOf(written('{ at: 0/hr:1, type: u16, write: { confirm: 1s } }')))).toEqual([
      'devices/d1.yaml:5:49 modbus.broadcast-confirm',
    ])
    expect(await problemsOf(written('{ at: 0/hr:1, type: u16, write: { confirm: 0ms } }'))).toEqual([])
    expect(spots(await problemsOf(written('{ at: 250/hr:1, type: u16 }')))).toEqual(['devices/d1.yaml:5:12 modbus.unit-range'])
  })

  it('is a device like any other on TCP', async () => {
    expect(await problemsOf(device('plc', 'modbus-tcp', 'host: 10.0.0.1, unit: 0'))).toEqual([])
  })
})
