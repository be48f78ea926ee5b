import {
  AttributeIds,
  ContentFilter,
  ContentFilterElement,
  DataType,
  EventFilter,
  FilterOperator,
  LiteralOperand,
  QualifiedName,
  SimpleAttributeOperand,
  Variant,
} from 'node-opcua-client'

/** What is asked of each event: the name it has here, and where it stands (OPC 10000-5, 6.4.2; 10000-9, 5.5.2, 5.7.2, 5.8.2). */
const baseEvent = 'i=2041'
const condition = 'i=2782'
const acknowledgeable = 'i=2881'
const alarm = 'i=2915'

type EventField = readonly [name: string, type: string, path: readonly string[]]

const baseFields: readonly EventField[] = [
  ['eventId', baseEvent, ['EventId']],
  ['eventType', baseEvent, ['EventType']],
  ['sourceNode', baseEvent, ['SourceNode']],
  ['source', baseEvent, ['SourceName']],
  ['time', baseEvent, ['Time']],
  ['message', baseEvent, ['Message']],
  ['severity', baseEvent, ['Severity']],
]

const alarmFields: readonly EventField[] = [
  ['conditionId', condition, []],
  ['condition', condition, ['ConditionName']],
  ['branch', condition, ['BranchId']],
  ['retain', condition, ['Retain']],
  ['enabled', condition, ['EnabledState', 'Id']],
  ['acked', acknowledgeable, ['AckedState', 'Id']],
  ['confirmed', acknowledgeable, ['ConfirmedState', 'Id']],
  ['active', alarm, ['ActiveState', 'Id']],
]

export type EventQuestion = { readonly names: readonly string[]; readonly filter: EventFilter }

/** From the richest question to the plainest: servers without alarms may refuse all but the last. */
export function eventQuestions(severityMin: number): readonly EventQuestion[] {
  const all = [...baseFields, ...alarmFields]
  const questions = severityMin > 1 ? [question(all, severityMin)] : []
  return [...questions, question(all), question(baseFields)]
}

function question(fields: readonly EventField[], severityMin?: number): EventQuestion {
  const where = severityMin === undefined ? {} : { whereClause: new ContentFilter({ elements: [atLeast(severityMin)] }) }
  return { names: fields.map(([name]) => name), filter: new EventFilter({ selectClauses: fields.map(operandOf), ...where }) }
}

function operandOf([, type, path]: EventField): SimpleAttributeOperand {
  return new SimpleAttributeOperand({
    typeDefinitionId: type,
    browsePath: path.map((name) => new QualifiedName({ name })),
    attributeId: path.length === 0 ? AttributeIds.NodeId : AttributeIds.Value,
  })
}

function atLeast(severity: number): ContentFilterElement {
  return new ContentFilterElement({
    filterOperator: FilterOperator.GreaterThanOrEqual,
    filterOperands: [
      operandOf(['severity', baseEvent, ['Severity']]),
      new LiteralOperand({ value: new Variant({ dataType: DataType.UInt16, value: severity }) }),
    ],
  })
}
