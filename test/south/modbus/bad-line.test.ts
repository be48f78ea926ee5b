import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { truth } from '../../support/modbus-fault-server.ts'
import { type RtuRequest, rtuFrame, startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { startSerialLine } from '../../support/serial-line.ts'
import { allOf, rtuTcpConfig, serialConfig, watch } from './line-plant.ts'

const frameOf = (request: RtuRequest, crc?: number): Buffer => rtuFrame(request.unit, truth(request), crc)

/** What befalls a request on a bad line. Answers keep their order, as those of real units do. */
const faults: readonly ((request: RtuRequest) => unknown)[] = [
  () => undefined,
  (request) => request.socket.write(frameOf(request, 0x1234)),
  (request) => request.socket.write(frameOf(request).subarray(0, -3)),
  (request) => request.socket.write(Buffer.concat([frameOf(request), frameOf(request)])),
  (request) => request.socket.write(Buffer.concat([Buffer.of(0, 0xff), frameOf(request)])),
  (request) => request.socket.write(rtuFrame(99, truth(request))),
  (request) => request.socket.write(Buffer.from('0303040102030405060708', 'hex')),
  (request) => setTimeout(() => request.socket.write(frameOf(request)), 150),
  async (request) => {
    for (const byte of frameOf(request)) {
      request.socket.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
]

/** Three devices of two blocks each, whose every register holds its own address. */
async function badLine(acts: readonly number[], isSerial: boolean) {
  const state = { isBad: true, asked: 0 }
  const server = await startRtuFaultServer((request) => {
    const act = state.isBad ? acts[state.asked++ % acts.length] : undefined
    if (act === undefined || act >= faults.length) request.socket.write(frameOf(request))
    else faults[act]?.(request)
  })
  const line = isSerial ? await startSerialLine({ port: server.port }) : undefined
  const config = (unit: number) =>
    line === undefined ? rtuTcpConfig(server.port, { unit }) : serialConfig(line.path, { unit, baud: 115_200 })
  const devices = [1, 2, 3].map((unit) => watch(`unit-${unit}`, config(unit), ['hr:10 u16', 'hr:500 u16', 'hr:900 u16'], 30))
  const parts = [...devices, ...(line === undefined ? [] : [line]), server]
  return { state, server, devices, ...allOf(parts) }
}

describe.each([
  ['a socket', false, 4],
  ['a serial port', true, 3],
] as const)('devices on a bad line over %s', (_, isSerial, numRuns) => {
  it('never publish a wrong value, and are well again soon after the line is', async () => {
    const script = fc.array(fc.integer({ min: 0, max: faults.length + 3 }), { minLength: 10, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(script, async (acts) => {
        await using plant = await badLine(acts, isSerial)
        await vi.waitFor(() => expect(plant.state.asked).toBeGreaterThan(25), { timeout: 30_000 })
        plant.state.isBad = false
        const heard = plant.devices.map(({ seen }) => seen.heard)
        // A unit that was left alone is probed after five seconds.
        await vi.waitFor(
          () =>
            expect(plant.devices.every(({ seen, values }, place) => seen.heard > (heard[place] ?? 0) + 6 && values.size === 3)).toBe(true),
          { timeout: 20_000 },
        )
        for (const { wrong } of plant.devices) expect(wrong([10, 500, 900])).toEqual([])
      }),
      { numRuns, endOnFailure: true },
    )
  }, 240_000)
})
