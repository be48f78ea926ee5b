import { describe, expect, it } from 'vitest'
import type { OpcuaAddress } from '../../../src/south/opcua/config.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { connect, latestOf, peerIn, plant, sharedPeer, soon, until } from './opcua-site.ts'

const types = [
  'SByte',
  'Byte',
  'UInt16',
  'UInt32',
  'Float',
  'Bytes',
  'Guid',
  'Label',
  'Code',
  'Name',
  'Id',
  'Bools',
  'Int64s',
  'Matrix',
  'Mode',
]
const values = [
  -1,
  255,
  65_535,
  4_294_967_295,
  1.5,
  Buffer.from([1, 2, 3]),
  '72962B91-FA75-4AE6-8D28-B404DC7DAF63',
  'Presse',
  0x808b0000,
  '1:Name',
  'ns=1;s=abc',
  [true, false],
  [1n, -1n],
  [1, 2, 3, 4, 5, 6],
  2,
]

const fields: readonly OpcuaAddress[] = [
  plant('Press', { field: 'Name' }),
  plant('Press', { field: 'axes[1].Position' }),
  plant('Press', { field: 'Axes[1].Count' }),
  plant('Press', { field: 'Axes[1].Load' }),
  plant('Press', { field: 'Levels' }),
  plant('Press', { field: 'Levels[2]' }),
  plant('Press', { field: 'Since' }),
  plant('Matrix', { field: '[4]' }),
]
const fieldValues = ['P7', 2.5, 2n, 52.5, [1, 2, 3], 3, '2023-11-14T22:13:20.000Z', 5]

const rich = sharedPeer({ isRich: true })

describe('the values of OPC UA', () => {
  it('are read in every built-in type, and a matrix row by row', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(
      parts,
      rich.url,
      types.map((name) => plant(name)),
    )
    const read = await connection.read([...types.keys()], until())
    expect(read.map(({ value }) => value)).toEqual(values)
    const latest = await latestOf(connection)
    await soon(() => types.map((_, tag) => latest.get(tag)?.value)).toEqual(values)
  })

  it('are bad where a number is none', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, [plant('NotANumber')])
    expect(await connection.read([0], until())).toMatchObject([{ value: null, quality: 'bad', status: 0x80070000 }])
  })

  it("bear the server's time where their source gives none", async () => {
    await using parts = new AsyncDisposableStack()
    const latest = await latestOf(await connect(parts, rich.url, [plant('Timeless'), plant('Float')]))
    await soon(() => latest.get(1)?.value).toBe(1.5)
    await soon(() => latest.get(0)).toMatchObject({ value: expect.any(Number), quality: 'good', sourceMs: 1_700_000_000_000 })
  })

  it('come out of structures by path, as fields are named by the engineering tool', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, fields)
    const latest = await latestOf(connection)
    await soon(() => fields.map((_, tag) => latest.get(tag)?.value)).toEqual(fieldValues)
    expect((await connection.read([...fields.keys()], until())).map(({ value }) => value)).toEqual(fieldValues)
    expect(connection.metrics?.().find(({ labels }) => labels?.['state'] === 'reported')?.value).toBe(2) // one item a node
  })

  it('are bad for a structure as a whole and for a field that it has not, and the log names those it has', async () => {
    await using parts = new AsyncDisposableStack()
    const log = keptLog()
    const addresses = [plant('Press'), plant('Press', { field: 'Nope' }), plant('Press', { field: 'Axes[7].Position' })]
    const latest = await latestOf(await connect(parts, rich.url, addresses, { log }))
    await soon(() => latest.size).toBe(3)
    expect([...latest.values()].map(({ status }) => status)).toEqual([0x803d0000, 0x803d0000, 0x803d0000])
    expect(log.lines.find(({ level }) => level === 'warn')?.fields).toMatchObject({ fields: ['Name', 'Axes', 'Levels', 'Since'] })
  })

  it('are written in the type and shape of the node, or refused before anything is sent', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { isRich: true })
    const names = ['SByte', 'UInt32', 'Float', 'Bytes', 'Guid', 'Label', 'Matrix', 'Int64s', 'Mode', 'Name', 'Id']
    const connection = await connect(
      parts,
      peer.url,
      names.map((name) => plant(name)),
    )
    const guid = '00000000-0000-4000-8000-000000000001'
    const good = [7, 8, 2.5, new Uint8Array([9]), guid, 'Press', [6, 5, 4, 3, 2, 1], [2n, -3n], 1, '1:Other', 'ns=1;i=5']
    const wrong = [128, -1, 1e300, 'text', 'no guid', 5, [1, 2], [2n ** 63n, 0n], 'Off', 5, 'no id']
    const writes = (all: readonly unknown[]) => all.map((value, tag) => ({ tag, value: value as never }))
    expect(await connection.write(writes(good), until())).toEqual(good.map(() => ({ outcome: 'done' })))
    const refused = await connection.write(writes(wrong), until())
    expect(refused.map((one) => 'fault' in one && one.fault.code)).toEqual(wrong.map(() => 'opcua.value-type'))
    expect(refused.at(-1)).toMatchObject({ fault: { remedy: expect.stringContaining('ns=2;s=Press') } })
    const read = await connection.read([...names.keys()], until())
    expect(read.map(({ value }) => value)).toEqual(good.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)))
  })
})
