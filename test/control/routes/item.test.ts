import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { messageReceived, scopeOf } from '../../../src/control/routes/item.ts'
import { TagTable } from '../../../src/control/tag-table.ts'
import { checkedExpression } from '../../../src/model/expression.ts'
import { checkedTemplate, payloadText } from '../../../src/model/template.ts'
import { startManualClock } from '../../support/manual-clock.ts'

const message = (payload: string) =>
  scopeOf({ uid: 'a', type: messageReceived, subject: 'in', timeMs: epochMs(0), data: { payload } }, new TagTable([], startManualClock()))
const mapped = (payload: string, source: unknown): string => payloadText(checkedTemplate(source, 'flow').evaluate(message(payload)))

describe('a message that is routed', () => {
  it('keeps all digits of a number beyond 2^53, and lets it be compared', () => {
    const order = '{"id":9007199254740993,"weight":0.5,"lots":[18446744073709551615]}'
    expect(mapped(order, { id: '${trigger.payload.id}', weight: '${trigger.payload.weight}', lots: '${trigger.payload.lots}' })).toBe(
      '{"id":"9007199254740993","weight":0.5,"lots":["18446744073709551615"]}',
    )
    const where = checkedExpression('trigger.payload.id > 9007199254740992 && trigger.payload.weight < 1.0', 'flow')
    expect(where.isTrue(message(order))).toBe(true)
    expect(where.isTrue(message('{"id":9007199254740992,"weight":0.5}'))).toBe(false)
  })

  it('has no quotes about a number in the middle of a text', () => {
    expect(mapped('{"id":9007199254740993}', 'order ${trigger.payload.id}!')).toBe('order 9007199254740993!')
  })

  it.each([
    ['9007199254740993', '"9007199254740993"'],
    ['{"value":9007199254740993}', '"9007199254740993"'],
    ['7', '7'],
    ['9007199254740991', '9007199254740991'],
    ['1e300', '1e+300'],
    ['plain text', 'plain text'],
  ])('is the value that it holds: %s', (payload, told) => {
    expect(mapped(payload, '${value}')).toBe(told)
  })
})
