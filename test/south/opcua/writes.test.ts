import { type ClientSession, coerceNodeId, DataType } from 'node-opcua-client'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Requests } from '../../../src/south/opcua/requests.ts'
import { writeAll } from '../../../src/south/opcua/writes.ts'

const node = coerceNodeId('ns=2;s=Speed')

/** What becomes of one write when the library's session ends it like this. */
async function outcomeOf(error: Error) {
  const session = { write: () => Promise.reject(error) } as unknown as ClientSession
  const requests = new Requests({ session, clock: systemClock, timeoutMs: 5_000, ended: new AbortController().signal })
  const types = new Map([[0, { dataType: DataType.Double, isArray: false }]])
  const context = { requests, limit: 0, idOf: String, nodeOf: () => node, statusOf: () => 0, typesOf: async () => types }
  const [outcome] = await writeAll([{ tag: 0, value: 1 }], context as never, AbortSignal.timeout(5_000))
  return outcome
}

describe('a write to an OPC UA server', () => {
  it('was never sent where the library gave it up before it had a connection to send it by', async () => {
    expect(await outcomeOf(new Error('Invalid Channel (not opened)'))).toMatchObject({ outcome: 'failed', neverSent: true })
  })

  it('was sent where the server itself refuses it, and may have been carried out where nobody answers', async () => {
    const refused = Object.assign(new Error('serviceResult = BadUserAccessDenied'), { response: {} })
    expect(await outcomeOf(refused)).toMatchObject({ outcome: 'failed', neverSent: false })
    expect(await outcomeOf(new Error('Transaction has timed out'))).toMatchObject({ outcome: 'unknown' })
  })
})
