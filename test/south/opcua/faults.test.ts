import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/base/fault.ts'
import { badAnswer, cannotConnect, connectionLost, mayHaveHappened } from '../../../src/south/opcua/faults.ts'

const serviceFault = (text: string): Error => Object.assign(new Error(` serviceResult = ${text}`), { response: {} })

describe('a failed connection', () => {
  it.each([
    ['connect ECONNREFUSED 127.0.0.1:4840', 'opcua.refused'],
    ['getaddrinfo ENOTFOUND plc', 'opcua.unknown-host'],
    ['serviceResult = BadCertificateTimeInvalid (0x80140000)', 'opcua.certificate-time'],
    ['Cannot find ANONYMOUS user token policy in end point description', 'opcua.user-kind'],
    ['serviceResult = BadIdentityTokenRejected (0x80210000)', 'opcua.user-refused'],
    ['BadSecurityChecksFailed', 'opcua.certificate-refused'],
    ['serviceResult = BadTooManySessions (0x80560000)', 'opcua.too-many-sessions'],
    ['something else', 'opcua.cannot-connect'],
  ])('with %s is %s', (text, code) => {
    expect(cannotConnect('opc.tcp://plc', new Error(text))).toMatchObject({ code, isRetryable: true })
  })
})

describe('a write without a good answer', () => {
  it.each([
    ['a refusal of the server', serviceFault('BadUserAccessDenied (0x801F0000)'), false],
    ['a socket that was closed before', new Error('Invalid Channel BadConnectionClosed'), false],
    ['a server that timed out on its own device', serviceFault('BadTimeout (0x800A0000)'), true],
    ['a socket that broke', new Error('Connection Break'), true],
    ["the library's own deadline", new Error('Transaction has timed out ( timeout = 5000 ms , request = WriteRequest)'), true],
    ['a lost connection', connectionLost('opc.tcp://plc', 'it died'), true],
    ['our own deadline', new Fault('opcua.no-answer', 'The server did not answer a write within 3000 ms.', { remedy: 'x' }), true],
  ])('because of %s may have happened: %s', (_, error, mayHave) => {
    expect(mayHaveHappened(error)).toBe(mayHave)
    expect(mayHaveHappened(badAnswer('a write', error))).toBe(mayHave)
  })
})
