import { type ClientSession, type NodeId, resolveNodeId, StatusCodes } from 'node-opcua-client'
import { describe, expect, it } from 'vitest'
import { DataTypes } from '../../../src/south/opcua/data-types.ts'
import { enumerationText } from '../../../src/south/opcua/enumeration-text.ts'
import type { Requests } from '../../../src/south/opcua/requests.ts'
import { TypeDefinitions } from '../../../src/south/opcua/type-definitions.ts'
import { lineside } from '../../support/lineside-program.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { connect, latestOf, plant, sharedPeer, soon } from './opcua-site.ts'

const rich = sharedPeer({ isRich: true })

async function browsed(node: string): Promise<readonly Readonly<Record<string, string>>[]> {
  using state = makeStateFolder()
  const args = ['browse', rich.url, '--security', 'None', '--json', '--root', `nsu=urn:test:plant;s=${node}`]
  const ran = await lineside(args, { environment: { XDG_STATE_HOME: state.path } })
  if (ran.code !== 0) throw new Error(ran.error)
  return JSON.parse(ran.out) as readonly Readonly<Record<string, string>>[]
}

describe('lineside browse', () => {
  it('makes tags of the parts of a structure, which the driver reads, and leaves out what no tag can be', async () => {
    const found = await browsed('Press')
    expect(found).toMatchObject([
      { tag: 'Name', field: 'Name', type: 'string', access: 'read' },
      { tag: 'Axes', field: 'Axes', refusal: expect.stringContaining('`Axes[0].…`') },
      { tag: 'Levels', field: 'Levels', dataType: 'Float' },
      { tag: 'Since', field: 'Since', type: 'time' },
    ])
    await using parts = new AsyncDisposableStack()
    const fields = found.flatMap(({ field, refusal }) => (field === undefined || refusal !== undefined ? [] : [field]))
    const latest = await latestOf(
      await connect(
        parts,
        rich.url,
        fields.map((field) => plant('Press', { field })),
      ),
    )
    await soon(() => [...latest.values()].map(({ value }) => value)).toEqual(['P7', [1, 2, 3], '2023-11-14T22:13:20.000Z'])
  })

  it('says what the numbers of an enumeration mean', async () => {
    expect(await browsed('Mode')).toMatchObject([{ type: 'i32', description: '0 Off, 1 Manual, 2 Automatic' }])
  })
})

describe('the text of an enumeration', () => {
  const text = (name: string) => ({ text: name })
  it.each([
    ['EnumStrings', [text('Off'), text('On')], '0 Off, 1 On'],
    ['EnumStrings with a number that is not used', [text('Off'), text(''), null, text('On')], '0 Off, 3 On'],
    [
      'EnumValues',
      [
        { value: [0, 7], displayName: text('Run') },
        { value: [0xffff_ffff, 0xffff_ffff], displayName: text('Bad') },
      ],
      '7 Run, -1 Bad',
    ],
    ['a definition', { fields: [{ value: [0, 2], name: 'Two', displayName: text('') }] }, '2 Two'],
    ['texts that would change a terminal', [text('\u001b[2J\n  x')], '0 [2J x'],
    ['nothing', [], undefined],
    ['a definition of a structure', { structureType: 0, fields: [{ name: 'a' }] }, undefined],
    ['a text', 'Off', undefined],
  ])('is made of %s', (_, value, expected) => {
    expect(enumerationText(value)).toBe(expected)
  })

  it('ends where it becomes too long', () => {
    const long = enumerationText(Array.from({ length: 5_000 }, (_, place) => text(`State ${place} ${'x'.repeat(1_000)}`))) ?? ''
    expect(long).toMatch(/^0 State 0 x{32}, 1 State .*, …$/)
    expect(long.length).toBeLessThan(170)
    expect(enumerationText(Array.from({ length: 120 }, (_, place) => text(place < 3 ? 'a' : '')))).toBe('0 a, 1 a, 2 a, …')
  })
})

interface FakeType {
  readonly definition?: unknown
  /** Its supertype. */
  readonly above?: string
  readonly enumStrings?: readonly string[]
}

/** A server that is asked nothing but its types; counts the questions. */
function serverWith(types: Readonly<Record<string, FakeType>>): { readonly definitions: TypeDefinitions; readonly asked: () => number } {
  let asked = 0
  const good = (value: unknown) => ({ statusCode: StatusCodes.Good, value: { value } })
  const typeAt = (node: NodeId): FakeType | undefined => types[String(node.value)]
  const session = {
    read: async ({ nodeId }: { readonly nodeId: NodeId }) => {
      const [name = '', property] = String(nodeId.value).split('.')
      if (property !== undefined) return good(types[name]?.enumStrings?.map((text) => ({ text })))
      const definition = typeAt(nodeId)?.definition
      return definition === undefined ? { statusCode: StatusCodes.BadAttributeIdInvalid } : good(definition)
    },
    browse: async (what: { readonly nodeId: NodeId } | readonly { readonly nodeId: NodeId }[]) => {
      if (Array.isArray(what)) {
        const above = typeAt(what[0].nodeId)?.above
        return [{ references: above === undefined ? [] : [{ nodeId: resolveNodeId(above) }] }]
      }
      const { nodeId } = what as { readonly nodeId: NodeId }
      const names = typeAt(nodeId)?.enumStrings
      const property = { nodeId: node(`${String(nodeId.value)}.names`), browseName: { name: 'EnumStrings' } }
      return { references: names === undefined ? [] : [property] }
    },
  } as unknown as ClientSession
  const requests = {
    ask: async (_: string, send: (session: ClientSession) => Promise<unknown>) => {
      asked += 1
      return await send(session)
    },
  } as unknown as Requests
  return { definitions: new TypeDefinitions({ requests, dataTypes: new DataTypes(requests) }), asked: () => asked }
}

const node = (name: string): NodeId => resolveNodeId(`ns=2;s=${name}`)
const structure = (...fields: readonly object[]): FakeType => ({ definition: { structureType: 0, fields }, above: 'i=22' })
const field = (name: string, dataType: NodeId, more: object = {}) => ({ name, dataType, valueRank: -1, ...more })
const double = resolveNodeId('i=11')
const { signal } = new AbortController()

describe('the parts of a structure', () => {
  it('are the ends of all paths into it, with what their types say', async () => {
    const { definitions } = serverWith({
      Axis: structure(field('Position', double, { description: { text: 'of the\n axis' } }), field('Mode', node('Mode'))),
      Mode: { above: 'i=29', enumStrings: ['Off', 'On'] },
      Press: structure(
        field('Axes', node('Axis'), { valueRank: 1, arrayDimensions: [2] }),
        field('Levels', double, { valueRank: 1 }),
        field('Größe', double),
        field('Odd', node('Unknown')),
      ),
      Unknown: { above: 'i=22' },
    })
    const found = (await definitions.partsOf(node('Press'), { signal })) ?? []
    const mode = { type: 'i32', isArray: false, dataType: 'ns=2;s=Mode', description: '0 Off, 1 On' }
    const position = { type: 'f64', isArray: false, dataType: 'Double', description: 'of the axis' }
    expect(found).toEqual([
      { field: 'Axes[0].Position', ...position },
      { field: 'Axes[0].Mode', ...mode },
      { field: 'Axes[1].Position', ...position },
      { field: 'Axes[1].Mode', ...mode },
      { field: 'Levels', type: 'f64', isArray: true, dataType: 'Double' },
      expect.objectContaining({ field: 'Größe', refusal: 'a name that `field` cannot hold' }),
      expect.objectContaining({ field: 'Odd', refusal: 'a structure whose fields are not known' }),
    ])
    expect(await definitions.partsOf(node('Axis'), { length: 2, signal })).toMatchObject([
      { field: '[0].Position' },
      { field: '[0].Mode' },
      { field: '[1].Position' },
      { field: '[1].Mode' },
    ])
  })

  it('are not known where the server tells nothing of the type', async () => {
    expect(await serverWith({}).definitions.partsOf(node('Press'), { signal })).toBeUndefined()
    const nonsense = { Press: { definition: { structureType: 0, fields: [null, 7, { name: 3 }] } } }
    expect(await serverWith(nonsense).definitions.partsOf(node('Press'), { signal })).toMatchObject([{ refusal: expect.any(String) }])
  })

  it.each([
    ['holds itself', { Press: structure(...Array.from({ length: 1_000 }, (_, place) => field(`f${place}`, node('Press')))) }],
    ['is endless', { Press: structure(...Array.from({ length: 9_000 }, (_, place) => field(`f${place}`, double))) }],
    [
      'is an endless list',
      { Press: structure(field('List', node('Inner'), { valueRank: 1, arrayDimensions: [4e9] })), Inner: structure() },
    ],
  ])('are bounded where a structure %s, and the rest is said to be left out', async (_, types) => {
    const { definitions, asked } = serverWith(types)
    const found = (await definitions.partsOf(node('Press'), { signal })) ?? []
    expect(found).toHaveLength(501)
    expect(found.at(-1)).toMatchObject({ field: '', refusal: expect.stringContaining('more than 500 parts') })
    expect(asked()).toBeLessThan(10)
  })

  it('are asked for once a type', async () => {
    const { definitions, asked } = serverWith({
      Axis: structure(field('Mode', node('Mode'))),
      Mode: { above: 'i=29', enumStrings: ['Off'] },
    })
    await definitions.partsOf(node('Axis'), { signal })
    const before = asked()
    for (let time = 0; time < 100; time += 1) await definitions.partsOf(node('Axis'), { signal })
    expect(asked()).toBe(before)
  })
})
