import { AttributeIds, type ClientSession, OPCUAClient } from 'node-opcua-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { SimulatedDevice } from '../../simulators/device.ts'
import { labellerNamespace, labellerNodes } from '../../simulators/devices/labeller.ts'
import { startOpcuaDevice } from '../../simulators/opcua-device.ts'
import { createLine, stepLine } from '../../simulators/plant/line.ts'
import { quietMs } from './modbus-client.ts'

const line = createLine(1)
let device: SimulatedDevice
beforeAll(async () => {
  device = await startOpcuaDevice({ name: 'labeller-1', port: 0, namespace: labellerNamespace, nodes: labellerNodes, line })
})
afterEach(() => device.clear())
afterAll(() => device[Symbol.asyncDispose]())

async function openSession(): Promise<{ readonly session: ClientSession } & AsyncDisposable> {
  const client = OPCUAClient.create({ connectionStrategy: { maxRetry: 0 }, keepSessionAlive: false, transportTimeout: 60_000 })
  client.on('backoff', () => {})
  await client.connect(`opc.tcp://127.0.0.1:${device.port}`)
  const session = await client.createSession()
  const close = async (): Promise<void> => {
    await Promise.race([client.disconnect(), quietMs(1_000)]) // a client whose server hung up waits for it to come back
  }
  return { session, [Symbol.asyncDispose]: close }
}

const node = (name: string, index = 2): string => `ns=${index};s=${name}`

describe('the simulated OPC UA device', () => {
  it('keeps who comes before it is up waiting, and then answers', async () => {
    await using peer = await openSession()
    expect(await peer.session.readNamespaceArray()).toContain(labellerNamespace)
  })

  it('shows every node with a good value and the time of its source', async () => {
    await using peer = await openSession()
    const values = await peer.session.read(labellerNodes.map(({ name }) => ({ nodeId: node(name), attributeId: AttributeIds.Value })))
    for (const value of values) expect(value).toMatchObject({ statusCode: { name: 'Good' }, sourceTimestamp: expect.any(Date) })
  })

  it('offers None and Basic256Sha256', async () => {
    const client = OPCUAClient.create({ connectionStrategy: { maxRetry: 0 } })
    await client.connect(`opc.tcp://127.0.0.1:${device.port}`)
    const policies = (await client.getEndpoints()).map(({ securityPolicyUri }) => securityPolicyUri?.split('#')[1])
    await client.disconnect()
    expect(new Set(policies)).toEqual(new Set(['None', 'Basic256Sha256']))
  })

  it('says what range and unit a number has', async () => {
    await using peer = await openSession()
    const properties = await peer.session.browse(node('web/tension'))
    const names = properties.references?.map(({ browseName }) => browseName.name)
    expect(names).toEqual(expect.arrayContaining(['EURange', 'EngineeringUnits']))
  })

  it('takes what may be written, and refuses what is out of bounds or only measured', async () => {
    await using peer = await openSession()
    const write = (name: string, dataType: string, value: unknown): Promise<{ readonly name: string }> =>
      peer.session.write({ nodeId: node(name), attributeId: AttributeIds.Value, value: { value: { dataType, value } } } as never)
    expect(await write('batch/code', 'String', 'L2612-B')).toMatchObject({ name: 'Good' })
    await vi.waitFor(() => expect(line.labeller.batchCode).toBe('L2612-B'))
    const code = { nodeId: node('batch/code'), attributeId: AttributeIds.Value }
    expect((await peer.session.read(code)).value.value).toBe('L2612-B')
    expect(await write('speed/limit', 'Double', 900)).toMatchObject({ name: 'BadOutOfRange' })
    expect(await write('web/tension', 'Double', 20)).toMatchObject({ name: 'BadNotWritable' })
  })

  it('reports changes to a subscription', async () => {
    await using peer = await openSession()
    const seen = await watchTension(peer.session)
    stepLine(line, 1)
    device.refresh(line)
    await vi.waitFor(() => expect(seen.at(-1)).toBeCloseTo(line.labeller.webTensionN), { timeout: 5_000 })
  })
})

async function watchTension(session: ClientSession): Promise<number[]> {
  const seen: number[] = []
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100,
    publishingEnabled: true,
    requestedMaxKeepAliveCount: 10,
    requestedLifetimeCount: 1_000,
    maxNotificationsPerPublish: 100,
    priority: 1,
  })
  const item = await subscription.monitor(
    { nodeId: node('web/tension'), attributeId: AttributeIds.Value },
    { samplingInterval: 50, queueSize: 1 },
    0,
  )
  item.on('changed', (value) => seen.push(value.value.value as number))
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0), { timeout: 5_000 })
  return seen
}

describe('a fault of the simulated OPC UA device', () => {
  const readTension = { nodeId: node('web/tension'), attributeId: AttributeIds.Value }

  it('silence: holds every answer back until it is over', async () => {
    await using peer = await openSession()
    await device.fail({ kind: 'silence' })
    let isAnswered = false
    const answer = peer.session.read(readTension).then(() => {
      isAnswered = true
    })
    await quietMs(300)
    expect(isAnswered).toBe(false)
    await device.clear()
    await answer
  })

  it('late: answers after so many ms', async () => {
    await using peer = await openSession()
    await device.fail({ kind: 'late', ms: 300 })
    const askedMs = performance.now()
    await peer.session.read(readTension)
    expect(performance.now() - askedMs).toBeGreaterThanOrEqual(299)
  })

  it('exception: gives every value this status', async () => {
    await using peer = await openSession()
    await device.fail({ kind: 'exception', code: 0x808d0000 })
    expect((await peer.session.read(readTension)).statusCode.name).toBe('BadOutOfService')
    await device.clear()
    expect((await peer.session.read(readTension)).statusCode.name).toBe('Good')
  })

  it('freeze: keeps a value and its time', async () => {
    await using peer = await openSession()
    await device.fail({ kind: 'freeze', point: 'web/tension' })
    const before = await peer.session.read(readTension)
    stepLine(line, 1)
    device.refresh(line)
    const after = await peer.session.read(readTension)
    expect([after.value.value, after.sourceTimestamp]).toEqual([before.value.value, before.sourceTimestamp])
  })

  it('drop: hangs up on who is connected', async () => {
    await using peer = await openSession()
    await device.fail({ kind: 'drop' })
    await expect(peer.session.read(readTension)).rejects.toThrow()
  })

  it('refuse: stops the server, until another one runs on the same port', async () => {
    await device.fail({ kind: 'refuse' })
    await expect(openSession()).rejects.toThrow()
    await device.clear()
    await using peer = await openSession()
    expect((await peer.session.read(readTension)).statusCode.name).toBe('Good')
  })

  it('namespace: comes back with its namespace at another index', async () => {
    await device.fail({ kind: 'namespace' })
    await using peer = await openSession()
    expect((await peer.session.readNamespaceArray()).indexOf(labellerNamespace)).toBe(3)
    expect((await peer.session.read(readTension)).statusCode.name).toBe('BadNodeIdUnknown')
    const moved = { nodeId: node('web/tension', 3), attributeId: AttributeIds.Value }
    expect((await peer.session.read(moved)).statusCode.name).toBe('Good')
  })
})
