import { describe, expect, it } from 'vitest'
import { lineside } from '../support/lineside-program.ts'

/** Nothing is asked of any gateway: none listens there. */
const nowhere = ['--url', 'http://127.0.0.1:1']

describe('an option that means nothing to what is asked for', () => {
  it.each([
    ['pipeline start --no-undo', '--no-undo', 'pipeline start', 'pipeline'],
    ['pipeline start --why x', '--why', 'pipeline start', 'pipeline'],
    ['pipeline pause --input a=1', '--input', 'pipeline pause', 'pipeline'],
    ['pipeline --why x', '--why', 'pipeline', 'pipeline'],
    ['runs --why x', '--why', 'runs', 'runs'],
    ['runs r1 --flow f', '--flow', 'runs r1', 'runs'],
    ['runs settle r1 --state failed', '--state', 'runs settle', 'runs'],
    ['events dead --follow', '--follow', 'events dead', 'events dead'],
    ['events --limit 5 dead', '--limit', 'events dead', 'events dead'],
    ['events replay --from 1h --to topic:x --json', '--json', 'events replay', 'events replay'],
  ])('is refused, and not passed over: %s', async (args, option, as, help) => {
    expect(await lineside([...args.split(' '), ...nowhere])).toEqual({
      code: 2,
      out: '',
      error: `${option} means nothing to \`lineside ${as}\`.  (usage.option)\n    Leave it out. \`lineside ${help} --help\` tells what each option is for.\n`,
    })
  })

  it('is refused by commands with options that exclude each other', async () => {
    expect(await lineside(['import', 'a', '--csv', 'a.csv', '--trust', 'any'])).toMatchObject({
      code: 2,
      error: expect.stringContaining('cannot be used with'),
    })
    expect(await lineside(['schema', 'flow', '--out', '/nowhere'])).toMatchObject({
      code: 2,
      error: expect.stringContaining('usage.schema'),
    })
  })

  it.each([
    'pipeline start --input a=1 --json',
    'pipeline pause --why x',
    'pipeline cancel --no-undo --why x',
    'pipeline --json --user anna',
    'runs --flow f --state failed --json',
    'runs r1 --json',
    'runs answer r1 s approved --why x',
    'events --type a --subject b --since 1h --limit 5 --json',
    'events dead --json --route r',
    'events --url http://127.0.0.1:1 dead --json',
    'events replay --from 1h --to flow:f --until 1m --type a --subject b',
  ])('is none of these, which go on to ask the gateway: %s', async (args) => {
    const { code, error } = await lineside([...args.split(' '), ...nowhere], {
      environment: { LINESIDE_TOKEN: 't', LINESIDE_PASSWORD: 'p' },
    })
    expect([code, error]).toEqual([3, expect.stringContaining('daemon.unreachable')])
  })

  it('is none where the statistics are counted', async () => {
    const { error } = await lineside(['flows', 'stats', '--site', '/nowhere', '--json', '--since', '1h', '--flow', 'f'])
    expect(error).not.toContain('usage.')
  })
})
