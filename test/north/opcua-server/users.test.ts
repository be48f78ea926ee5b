import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { Refusals } from '../../../src/north/access/refusals.ts'
import { openUsers } from '../../../src/north/access/users.ts'
import { addUser, removeUser } from '../../../src/runtime/users.ts'
import { startOpcuaClient } from '../../support/opcua-client-process.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { node, type Read, startBench } from './bench.ts'

const security = 'Basic256Sha256/SignAndEncrypt'
const password = 'correct horse'
const site = 'acme/munich/line-1'

/** A server with the access list as a gateway has it. */
async function startWithUsers() {
  const parts = new AsyncDisposableStack()
  const folder = parts.use(makeStateFolder()).path
  await addUser(folder, { name: 'boss', role: 'admin', password })
  await addUser(folder, { name: 'anna', role: 'operator', password })
  await addUser(folder, { name: 'scale', role: 'engineer', password, read: [`${site}/press/counter`], write: [`${site}/press/name/set`] })
  const log = keptLog()
  const events: SiteEvent[] = []
  const users = parts.use(openUsers({ stateFolder: folder, clock: systemClock, log }))
  const refusals = parts.use(new Refusals({ clock: systemClock, log, record: (event) => events.push(event) }))
  const list = openAccess({ users, clock: systemClock, gateway: { site, node: 'edge-07' }, refusals })
  const bench = parts.use(await startBench({ config: { port: 0 }, access: list.at('opcua', undefined) }))
  const enter = (user: string, shown = password) => bench.client.ask('connect', { url: bench.url, security, user, password: shown })
  const read = (path: string) => bench.client.ask<Read[]>('read', { nodes: [node(path)] })
  return { bench, folder, events, log, enter, read, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

describe('a user of the OPC UA server', () => {
  it('comes in with his password, and his writes take the command road in his name', { timeout: 20_000 }, async () => {
    await using server = await startWithUsers()
    await server.enter('anna')
    server.bench.set('setpoint', { value: 5 })
    expect(await server.read('setpoint')).toMatchObject([{ value: 5, status: 'Good' }])
    await server.bench.client.ask('write', { nodes: [node('setpoint')], value: 7 })
    expect(server.bench.asked).toMatchObject([{ by: { road: 'opcua', name: 'anna', role: 'operator' } }])
  })

  it('is refused with a wrong password, which is one event and one line of the log', { timeout: 20_000 }, async () => {
    await using server = await startWithUsers()
    for (const [user, shown] of [['anna', 'wrong'] as const, ['anna', 'guess'] as const, ['nobody', password] as const]) {
      await expect(server.enter(user, shown)).rejects.toThrow(/BadUserAccessDenied/)
    }
    expect(server.events).toMatchObject([
      { type: 'access.refused', subject: 'opcua', data: { user: 'anna', code: 'access.user-unknown', times: 1 } },
    ])
    expect(server.log.lines.filter(({ message }) => message === 'Somebody was not let in.')).toHaveLength(1)
  })

  it('with rules of his own reads, follows and writes what they cover, and nothing else', { timeout: 20_000 }, async () => {
    await using server = await startWithUsers()
    const { bench } = server
    for (const [path, value] of [
      ['counter', 3n],
      ['setpoint', 5],
      ['name', 'a'],
    ] as const)
      bench.set(path, { value })
    await server.enter('scale')
    expect(await server.read('counter')).toMatchObject([{ status: 'Good' }])
    expect(await server.read('setpoint')).toMatchObject([{ status: 'BadUserAccessDenied' }])
    await bench.client.ask('watch', { nodes: [node('setpoint'), node('counter')] })
    bench.set('setpoint', { value: 6 })
    bench.set('counter', { value: 4n })
    const seen = () => bench.client.ask<{ node: string; status: string; value: unknown }[]>('watched')
    await vi.waitFor(async () => expect((await seen()).filter((one) => one.node === node('counter')).length).toBeGreaterThan(1), 10_000)
    const setpoints = (await seen()).filter((one) => one.node === node('setpoint'))
    for (const one of setpoints) expect(one).toMatchObject({ status: 'BadUserAccessDenied' })
    const status = await bench.client.ask('write', { nodes: [node('setpoint')], value: 7 })
    expect(JSON.stringify(status)).toContain('BadUserAccessDenied')
    expect(bench.asked).toEqual([])
    expect(bench.refused).toMatchObject([{ tag: 'press/setpoint', value: 7, code: 'access.write', by: { road: 'opcua', name: 'scale' } }])
  })

  it('who is removed loses his session within seconds', { timeout: 20_000 }, async () => {
    await using server = await startWithUsers()
    await server.enter('anna')
    expect(await server.read('setpoint')).toHaveLength(1)
    await removeUser(server.folder, 'anna')
    const sessions = () => server.bench.server.metrics().find(({ name }) => name === 'lineside_opcua_server_sessions')?.value
    await vi.waitFor(() => expect(sessions()).toBe(0), 10_000)
    await using other = startOpcuaClient()
    await expect(other.ask('connect', { url: server.bench.url, security, user: 'anna', password })).rejects.toThrow(/BadUserAccessDenied/)
  })
})
