import { describe, expect, it } from 'vitest'
import { Thrift } from '../../src/runtime/thrift.ts'

function startThrift() {
  const said: string[] = []
  const now = { busiest: 0.1, control: 0.1 }
  const thrift = new Thrift({ utilization: () => now, save: (how) => said.push(how) })
  const look = (busiest: number, times = 1, control = 0.1): void => {
    Object.assign(now, { busiest, control })
    for (let time = 0; time < times; time += 1) thrift.look()
  }
  return { said, look }
}

describe('memory', () => {
  it('is saved by a thread that has time, from the first look on', () => {
    const { said, look } = startThrift()
    look(0.5, 3)
    expect(said).toEqual(['save'])
  })

  it('is spent from the start on where there is much to do at once', () => {
    const { said, look } = startThrift()
    look(0.9, 30)
    expect(said).toEqual([])
    look(0.4, 20)
    expect(said).toEqual(['save'])
  })

  it('is spent as soon as the thread has much to do, and saved again when it has been calm for a while', () => {
    const { said, look } = startThrift()
    look(0.1)
    look(0.7, 3)
    expect(said).toEqual(['save', 'spend'])
    look(0.1, 19)
    look(0.5)
    look(0.1, 19)
    expect(said).toEqual(['save', 'spend'])
    look(0.1)
    expect(said).toEqual(['save', 'spend', 'save'])
  })

  it('is spent while control is at work on runs, and not for a moment of it', () => {
    const { said, look } = startThrift()
    look(0.3, 3, 0.3)
    look(0.1)
    look(0.3, 3, 0.3)
    expect(said).toEqual(['save'])
    look(0.3, 1, 0.3)
    expect(said).toEqual(['save', 'spend'])
    look(0.18, 40, 0.18)
    expect(said).toEqual(['save', 'spend'])
    look(0.12, 20, 0.12)
    expect(said).toEqual(['save', 'spend', 'save'])
  })
})
