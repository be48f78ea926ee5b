import { describe, expect, it } from 'vitest'
import { TagNames } from '../../src/cli/tag-names.ts'
import { nameFrom, nameSchema } from '../../src/model/name.ts'
import { tagPathSchema } from '../../src/site/device-schema.ts'
import { lineside } from '../support/lineside-program.ts'

describe("an engineer's tool", () => {
  it.each(['browse', 'probe', 'import', 'export'])('has help with an example: %s', async (command) => {
    const { code, out } = await lineside([command, '--help'])
    expect(code).toBe(0)
    expect(out).toContain(`$ lineside ${command}`)
  })

  it.each([[['browse']], [['probe', 'modbus-tcp://x', '--cuont', '3']], [['import', 'a', '--conflicts', 'maybe']], [['export']]])(
    'that is used wrongly ends with 2: %j',
    async (args) => {
      const { code, error } = await lineside(args)
      expect(code).toBe(2)
      expect(error).not.toMatch(/^\s+at /m)
    },
  )

  it.each([
    ['browse', 'opc.tcp://127.0.0.1:1', '--csv', '--json'],
    ['browse', 'opc.tcp://127.0.0.1:1', '--csv', '--as-device', 'a'],
    ['browse', 'opc.tcp://127.0.0.1:1', '--json', '--as-device', 'a'],
    ['probe', 'modbus-tcp://127.0.0.1:1', '--json', '--as-device', 'a'],
  ])('writes one thing at a time: %s %s %s %s', async (...args) => {
    expect(await lineside(args)).toMatchObject({ code: 2, error: expect.stringContaining('cannot be used with') })
  })

  it('says which kinds of trust there are', async () => {
    for (const args of [
      ['browse', 'opc.tcp://127.0.0.1:1'],
      ['import', 'press'],
    ]) {
      const { code, error } = await lineside([...args, '--trust', 'all'])
      expect([code, error]).toEqual([2, expect.stringContaining('Allowed choices are first-seen, any')])
    }
  })

  it.each([
    ['40101', 'Write --from hr:100 for it'],
    ['30001', 'Write --from ir:0 for it'],
    ['400101', 'Write --from hr:100 for it'],
    ['101', 'hr:100 for holding registers'],
    ['holding:5', 'hr:100 for holding registers'],
  ])('that looks at registers says how to write what manuals print: --from %s', async (from, remedy) => {
    const { code, error } = await lineside(['probe', 'modbus-tcp://127.0.0.1:1', '--from', from])
    expect([code, error]).toEqual([expect.any(Number), expect.stringContaining(remedy)])
    expect(error).toContain('probe.option')
  })
})

describe('a name made of what a device calls something', () => {
  it.each([
    ['Read only', 'Read_only'],
    ['a/b:c', 'a_b_c'],
    ['.hidden', '_hidden'],
    ['-x', '_x'],
    ['set', 'set_'],
    ['', '_'],
    ['Füllhöhe', 'Füllhöhe'],
    ['温度', '温度'],
    ['x'.repeat(70), 'x'.repeat(64)],
    [`${'x'.repeat(63)}𝒳`, 'x'.repeat(63)],
  ])('%s: %s', (text, name) => {
    expect(nameFrom(text)).toBe(name)
    expect(nameSchema.safeParse(name).success).toBe(true)
  })

  it('is one that no other tag has, and not too long for a path', () => {
    const names = new TagNames()
    const long = Array.from({ length: 30 }, (_, place) => `${'x'.repeat(60)}${place}`).join('/')
    const given = ['a/b', 'a/b', 'a/b_2', long, long].map((path) => names.nameFor(path))
    expect(given.slice(0, 3)).toEqual(['a/b', 'a/b_2', 'a/b_2_2'])
    expect(new Set(given).size).toBe(5)
    for (const name of given) expect(tagPathSchema.safeParse(name).success).toBe(true)
  })
})
