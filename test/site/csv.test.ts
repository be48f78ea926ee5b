import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csvText, readCsv } from '../../src/site/csv.ts'
import { findDriver } from '../../src/site/drivers.ts'
import { modiconAddress } from '../../src/site/modicon.ts'
import { ProblemList } from '../../src/site/problems.ts'
import { readTagTable } from '../../src/site/tag-table.ts'

function cellsOf(text: string): readonly (readonly string[])[] {
  const table = readCsv(text)
  if ('finding' in table) throw new Error(table.finding.message)
  return [table.header, ...table.rows.map(({ cells }) => cells)]
}

describe('a table in a file', () => {
  it.each([
    ['commas', 'tag,at\na,hr:1\n'],
    ['semicolons', 'tag;at\r\na;hr:1\r\n'],
    ['tabs', 'tag\tat\na\thr:1'],
    ['the mark of Excel in front', '\uFEFFtag;at\r\na;hr:1\r\n'],
    ['quotes', '"tag","at"\n"a","hr:1"\n'],
    ['empty lines', '\n\ntag,at\n\n,\na,hr:1\n\n'],
  ])('is read with %s', (_, text) => {
    expect(cellsOf(text)).toEqual([
      ['tag', 'at'],
      ['a', 'hr:1'],
    ])
  })

  it('keeps delimiters, quotes and line breaks that stand in quotes, and knows the line of each row', () => {
    const table = readCsv('tag,description\na,"1, ""2""\n3"\nb,x\n')
    expect(table).toMatchObject({ rows: [{ cells: ['a', '1, "2"\n3'] }, { line: 4, cells: ['b', 'x'] }] })
  })

  it.each([
    ['', 'csv.empty', 1],
    ['tag,at\na,"hr:1\n', 'csv.syntax', 3],
    ['tag,at\na,hr"1\nb,"x"y\n', 'csv.syntax', 2],
  ])('that cannot be read says why: %j', (text, code, line) => {
    const read = readCsv(text)
    expect(read).toMatchObject({ finding: { code } })
    if ('finding' in read) expect(Math.abs(read.line - line)).toBeLessThanOrEqual(1)
  })

  it('never becomes a formula in a program for tables, and is read back as it was', () => {
    const cells = ['=1+1', '+cmd', '@SUM(A1)', '-cmd', "'=x", "'plain", '-5', '1e-3', '\tx', 'a,b', 'a"b', 'x\ny', '']
    const text = csvText([['tag', 'text'], ...cells.map((cell, place) => [`t${place}`, cell])])
    for (const record of text.split('\r\n')) expect(record).not.toMatch(/,"?[=+@\t]/)
    expect(text).toContain("t3,'-cmd")
    expect(text).toContain('t6,-5\r\n')
    expect(
      cellsOf(text)
        .slice(1)
        .map(([, cell]) => cell),
    ).toEqual(cells)
  })

  it('is written with a mark and semicolons for those who want them', () => {
    expect(csvText([['a', 'b;c']], { delimiter: ';', hasBom: true })).toBe('\uFEFFa;"b;c"\r\n')
  })
})

describe('any table at all', () => {
  it('is read back as it was written, whatever its cells hold', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\0', ''))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 }),
        fc.constantFrom(',', ';'),
        fc.boolean(),
        (rows, delimiter, hasBom) => {
          const text = csvText([['tag', 'at', 'unit'], ...rows], { delimiter, hasBom })
          expect(cellsOf(text).slice(1)).toEqual(rows.filter((cells) => cells.some((one) => one.trim() !== '')))
        },
      ),
    )
  })

  it('is read or refused, and never more, whatever the file holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const problems = new ProblemList()
        const driver = findDriver('modbus-tcp')
        if (driver === undefined) throw new Error('no driver')
        readTagTable(`tag,at,type,range.min\n${text}`, { file: 'x.csv', driver, addressing: 'zero', problems })
        readCsv(text)
      }),
    )
  })
})

describe('a Modicon number', () => {
  it.each([
    ['40001', 'hr:0'],
    ['40101', 'hr:100'],
    ['400101', 'hr:100'],
    ['465536', 'hr:65535'],
    ['40101.3', 'hr:100.3'],
    ['30012', 'ir:11'],
    ['10008', 'di:7'],
    ['00001', 'co:0'],
  ])('%s is %s', (number, at) => {
    expect(modiconAddress(number, 'zero')).toEqual({ at })
  })

  it('counts as the device does', () => {
    expect(modiconAddress('40101', 'one')).toEqual({ at: 'hr:101' })
  })

  it.each(['1', '4101', '40000', '50001', '4000001', '465537'])('is not %s', (number) => {
    expect(modiconAddress(number, 'zero')).toMatchObject({ remedy: expect.stringMatching(/\w/) })
  })

  it.each(['hr:100', '', 'i=42'])('leaves %j alone', (text) => {
    expect(modiconAddress(text, 'zero')).toBeUndefined()
  })
})
