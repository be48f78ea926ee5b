import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { placeOf } from '../../bench/line/engine.ts'
import { freePort } from '../../bench/line/free-port.ts'
import { listenTo, type Message } from '../../bench/line/listener.ts'
import { startLoad } from '../../bench/line/load.ts'
import { changedMs, monotonicMs } from '../../bench/line/load-value.ts'
import { cpuSeconds, residentMb } from '../../bench/line/process.ts'

async function ask(port: number, request: readonly number[]): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from(request))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer
}

describe('the load server of the bench', () => {
  it('answers with values that changed within the last second, and says when', async () => {
    await using load = await startLoad({ devices: 2 })
    const answer = await ask(load.ports[1] ?? 0, [0, 7, 0, 0, 0, 6, 1, 3, 0, 10, 0, 5])
    expect([...answer.subarray(0, 9)]).toEqual([0, 7, 0, 0, 0, 13, 1, 3, 10])
    for (let index = 0; index < 5; index += 1) {
      const ageMs =
        monotonicMs() - changedMs({ value: answer.readUInt16BE(9 + index * 2), originMs: load.originMs, device: 1, register: 10 + index })
      expect(ageMs).toBeGreaterThan(0)
      expect(ageMs).toBeLessThan(2_000)
    }
  })

  it('refuses what it does not know', async () => {
    await using load = await startLoad({ devices: 1 })
    expect([...(await ask(load.ports[0] ?? 0, [0, 1, 0, 0, 0, 6, 1, 6, 0, 0, 0, 5]))]).toEqual([0, 1, 0, 0, 0, 3, 1, 0x86, 1])
  })
})

describe('the subscriber of the bench', () => {
  it('hears what mosquitto passes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lineside-listener-'))
    const port = await freePort()
    writeFileSync(join(folder, 'mosquitto.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`)
    const broker = spawn('/usr/sbin/mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' })
    try {
      await using listener = await listenTo(port, 'bench/#', AbortSignal.timeout(10_000))
      const heard: Message[] = []
      listener.onMessage((message) => heard.push(message))
      const topic = 'bench/line/d01/t002'
      await expect
        .poll(
          async () => {
            await promisify(execFile)('mosquitto_pub', ['-p', String(port), '-t', topic, '-m', 'ä'.repeat(100)])
            return heard[0]
          },
          { timeout: 10_000 },
        )
        .toMatchObject({ topic, payload: 'ä'.repeat(100) })
      expect(placeOf(topic)).toEqual({ device: 1, register: 2 })
    } finally {
      broker.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the view of a process', () => {
  it('counts its children too', async () => {
    const work = 'while (process.cpuUsage().user < 400000); setTimeout(() => {}, 60000)'
    const parent = spawn(
      process.execPath,
      ['-e', `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(work)}]); setTimeout(() => {}, 60000)`],
      {
        detached: true,
        stdio: 'ignore',
      },
    )
    const pid = parent.pid ?? 0
    try {
      await expect.poll(() => cpuSeconds(pid), { timeout: 15_000 }).toBeGreaterThan(0.25)
      expect(residentMb(pid)).toBeGreaterThan(60) // two Nodes
    } finally {
      process.kill(-pid, 'SIGKILL')
    }
  })
})
