import { describe, expect, it, vi } from 'vitest'
import { startBrokerAbove } from '../support/broker-above.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startLedgerChecker } from '../support/ledger-checker.ts'
import { lineside } from '../support/lineside-program.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

describe('the ledger of an upstream', () => {
  it('says the same above and below after kills of the daemon and of the far broker: nothing is missing', {
    timeout: 120_000,
  }, async () => {
    await using above = await startBrokerAbove()
    const port = Number(new URL(above.url).port)
    await using checker = await startLedgerChecker(port, '#', { client: 'checker' })
    await using press = await startModbusDevice()
    const counting = setInterval(() => {
      press.registers[0] = (press.registers[0] ?? 0) + 1
    }, 20)
    using _counting = { [Symbol.dispose]: () => clearInterval(counting) }
    const extra = `upstreams:
  plant:
    url: "${above.url}"
    receive:
      - { from: "acme/test/line-1/press/setpoint/set", do: write, role: operator, rate: 50 }
`
    await using daemon = await DaemonProcess.start({ extra, devices: { press: plcFile('press', press.port) } })
    const accepted = () => daemon.metric('lineside_outbox_numbered_total', 'stream="events"')
    for (let round = 0; round < 2; round += 1) {
      const before = await accepted()
      await vi.waitFor(async () => expect(await accepted()).toBeGreaterThan(before + 20), 20_000)
      await above.stop()
      await vi.waitFor(async () => expect(await accepted()).toBeGreaterThan(before + 40), 20_000)
      await daemon.end('SIGKILL')
      await daemon.start()
      await above.start()
    }
    clearInterval(counting)
    const rows = async () =>
      JSON.parse((await lineside(['upstream', '--json', '--url', daemon.url])).out) as readonly { readonly state: string }[]
    await vi.waitFor(async () => expect(await rows()).toMatchObject([{ state: 'online', version: 5, waiting: { rows: 0 } }]), 30_000)
    const sum = await accepted()
    const verdict = Object.values(await checker.finish(sum))[0]
    expect(verdict).toMatchObject({ highest: sum, received: sum, missing: 0, disordered: 0 })
    const shown = await lineside(['upstream', '--url', daemon.url])
    expect(shown.code).toBe(0)
    expect(shown.out).toContain(`events  0 missing of ${sum.toLocaleString('en')}`)
    expect((await lineside(['upstream', 'nobody', '--url', daemon.url])).code).toBe(1)
  })

  it('carries a command down through the one road, and its answer up', { timeout: 60_000 }, async () => {
    await using above = await startBrokerAbove()
    await using press = await startModbusDevice()
    const extra = `upstreams:
  plant:
    url: "${above.url}"
    map: [{ from: acme/test, to: acme/above }]
    receive: [{ from: "acme/above/line-1/+/+/set", do: write, role: operator, rate: 50 }]
`
    await using daemon = await DaemonProcess.start({ extra, devices: { press: plcFile('press', press.port) } })
    await vi.waitFor(async () => expect((await daemon.tag('press/setpoint')).quality).toBe('good'), 20_000)
    await vi.waitFor(async () => expect(await daemon.metric('lineside_upstream_connected')).toBe(1), 20_000)
    const { startProgram } = await import('../north/support/program.ts')
    const port = new URL(above.url).port
    const set = ['-p', port, '-q', '1', '-t', 'acme/above/line-1/press/setpoint/set', '-m', '{"value":42,"id":"job-7"}']
    await using wish = startProgram('/usr/bin/mosquitto_pub', set)
    await wish.exit
    await vi.waitFor(() => expect(above.lines.join('\n')).toMatch(/setpoint\/set\/result .*"id":"job-7","status":"done"/), 20_000)
    expect((await daemon.tag('press/setpoint')).value).toBe(42)
  })
})
