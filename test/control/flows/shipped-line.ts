import type { World } from './life.ts'
import type { Proof, StepProof } from './prove.ts'

/** The line as far as flows see it: what answers a write does so at once. */
export const line = {
  'infeed-1/hold': false,
  'infeed-1/speed/setpoint': 180,
  'infeed-1/fault/code': 0,
  'infeed-1/fault/reset': false,
  'capper-1/fault/code': 201,
  'capper-1/fault/reset': false,
  'capper-1/status/running': true,
  'capper-1/torque/setpoint': 1.8,
  'capper-1/bottles/rejected': 2,
  'filler-1/status/running': true,
  'filler-1/bottle/target': 500,
  'filler-1/bottle/weight-mean': 501,
  'filler-1/bottles/filled': 9000,
  'filler-1/bottles/rejected': 7,
  'filler-1/reject/request': false,
  'filler-1/bowl/level': 55,
  'filler-1/bowl/pressure': 2,
  'filler-1/bowl/setpoint': 55,
  'filler-1/cip/active': false,
  'filler-1/cip/bowl/step': 0,
  'filler-1/cip/bowl/temperature': 20,
  'filler-1/cip/bowl/conductivity': 0.4,
  'filler-1/cip/lines/step': 0,
  'filler-1/cip/lines/temperature': 20,
  'filler-1/cip/lines/conductivity': 0.4,
  'palletiser-1/outfeed/full': true,
  'palletiser-1/pallets/total': 40,
  'palletiser-1/pattern/layers': 4,
  'labeller-1/batch/code': 'A1',
  'labeller-1/glue/setpoint': 120,
  'labeller-1/glue/temperature': 120,
  'meter-1/power/active': 98,
  'meter-1/demand/limit': 100,
  'meter-1/energy/active': 1234,
}

export function react(world: World, effect: string): void {
  const [, tag = '', value = ''] = effect.split(' ')
  switch (tag) {
    case 'infeed-1/hold':
      for (const machine of ['filler-1', 'capper-1']) world.set(`${machine}/status/running`, value === 'false')
      return
    case 'filler-1/reject/request':
      world.set('filler-1/bottles/rejected', Number(world.value('filler-1/bottles/rejected')) + 1)
      world.set(tag, false)
      return
    case 'infeed-1/fault/reset':
    case 'capper-1/fault/reset':
      world.set(tag.replace('reset', 'code'), 0)
      world.set(tag, false)
      return
    case 'labeller-1/glue/setpoint':
      world.set('labeller-1/glue/temperature', Number(value))
      return
    case 'filler-1/bowl/setpoint':
      world.set('filler-1/bowl/level', Number(value))
      return
    case 'filler-1/cip/bowl/step':
    case 'filler-1/cip/lines/step':
      world.set(tag.replace('step', 'temperature'), value === '2' ? 80 : 20)
      world.set(tag.replace('step', 'conductivity'), value === '2' ? 75 : 0.4)
      return
    default:
      if (tag.endsWith('/load/limit')) world.set('meter-1/power/active', value === '60' ? 80 : 90)
  }
}

const by = { kind: 'start', by: 'anna', role: 'operator', time: '2026-11-21T06:00:00.000Z' }
const tagTrigger = (tag: string, value: number | boolean) => ({
  kind: 'tag',
  tag,
  value,
  quality: 'good',
  time: '2026-11-21T06:00:00.000Z',
})

export interface Shipped extends StepProof {
  readonly proof: Omit<Proof, 'flow'>
}

/** What takes back what, as a person would read it from the file. */
export const undo = (pairs: Readonly<Record<string, string>>) => (effect: string) => pairs[effect]

/** Each shipped flow with the start and the plant that it is proven with. */
export const shipped: Readonly<Record<string, Shipped>> = {
  'change-over': {
    proof: {
      trigger: by,
      input: { product: 'Cola', target: 510, torque: 2.1, layers: 5, batch: 'B2' },
      answer: 'approved',
      tags: line,
    },
    undoes: undo({
      'write infeed-1/hold true': 'write infeed-1/hold false',
      'write infeed-1/hold false': 'write infeed-1/hold true',
      'write filler-1/bottle/target 510': 'write filler-1/bottle/target 500',
      'write capper-1/torque/setpoint 2.1': 'write capper-1/torque/setpoint 1.8',
      'write palletiser-1/pattern/layers 5': 'write palletiser-1/pattern/layers 4',
      'write labeller-1/batch/code B2': 'write labeller-1/batch/code A1',
    }),
  },
  'clean-in-place': {
    proof: { trigger: by, tags: line },
    undoes: undo({
      'write infeed-1/hold true': 'write infeed-1/hold false',
      'write filler-1/cip/active true': 'write filler-1/cip/active false',
      'write filler-1/cip/bowl/step 1': 'write filler-1/cip/bowl/step 0',
      'write filler-1/cip/bowl/step 2': 'write filler-1/cip/bowl/step 3',
      'write filler-1/cip/lines/step 1': 'write filler-1/cip/lines/step 0',
      'write filler-1/cip/lines/step 2': 'write filler-1/cip/lines/step 3',
    }),
  },
  'hold-for-forklift': { proof: { trigger: tagTrigger('palletiser-1/outfeed/full', true), tags: line }, undoes: undo({}) },
  'reject-underfilled': {
    proof: { trigger: tagTrigger('filler-1/bottle/weight', 480), tags: line, springsBack: ['filler-1/reject/request'] },
    undoes: undo({}),
    survives: ['gone'],
  },
  'shed-peak': {
    proof: { trigger: tagTrigger('meter-1/power/active', 98), tags: line },
    undoes: undo({ 'write sheddable-2/load/limit 60': 'write sheddable-2/load/limit 100' }),
    survives: ['over'],
  },
  'shift-report': {
    proof: { trigger: { kind: 'cron', time: '2026-11-21T05:00:00.000Z' }, tags: line },
    undoes: undo({}),
    survives: ['send'],
  },
  'slow-for-low-bowl': {
    proof: { trigger: tagTrigger('filler-1/bowl/level', 44), tags: { ...line, 'filler-1/bowl/level': 44 } },
    undoes: undo({}),
  },
  'start-up': {
    proof: {
      trigger: by,
      input: { speed: 180, glue: 140 },
      tags: line,
      springsBack: ['infeed-1/fault/reset', 'capper-1/fault/reset'],
    },
    undoes: undo({ 'write infeed-1/hold false': 'write infeed-1/hold true' }),
  },
}
