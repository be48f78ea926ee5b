import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it, vi } from 'vitest'
import { connectClient, startGateway } from './gateway.ts'

const script = new URL('../../support/paho-client.py', import.meta.url).pathname

describe('paho, the MQTT client of Python', () => {
  it('gets what it publishes at every QoS, in the order of each topic, and its will when it is killed', { timeout: 60_000 }, async () => {
    await using gateway = await startGateway()
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('paho-status', { qos: 1 })
    const count = 300
    const paho = spawn('/usr/bin/python3', [script, String(gateway.port), String(count)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(paho, 'exit')
    try {
      const said: Record<string, unknown>[] = []
      createInterface({ input: paho.stdout }).on('line', (line) => said.push(JSON.parse(line)))
      await vi.waitFor(() => expect(said).toHaveLength(3), { timeout: 40_000, interval: 50 })
      expect(said.slice(0, 2)).toEqual([{ connected: 0 }, { granted: [2] }])
      const got = said[2]?.['got'] as readonly (readonly [topic: string, payload: string, qos: number])[]
      for (const qos of [0, 1, 2]) {
        const numbers = Array.from({ length: count / 3 }, (_, place) => String(3 * place + qos))
        expect(got.filter(([topic]) => topic === `paho/${qos}`)).toEqual(numbers.map((number) => [`paho/${qos}`, number, qos]))
      }
      paho.kill('SIGKILL')
      await vi.waitFor(() => expect(reader.got).toMatchObject([{ topic: 'paho-status', payload: 'gone', qos: 1 }]), { timeout: 10_000 })
    } finally {
      paho.kill('SIGKILL')
      await ended
    }
  })
})
