import { StatusCodes } from 'node-opcua-status-code'
import { describe, expect, it } from 'vitest'
import { badReason } from '../../src/model/bad-reason.ts'
import { inPinnedHole, notDecoded, notReadable, statusOfException } from '../../src/south/modbus/status.ts'

describe('the reason of a bad tag', () => {
  it.each([
    ['not read yet', 0x8032_0000],
    ['no value', notDecoded],
    ['in a hole', inPinnedHole],
    ['only be written', notReadable],
    ['illegal function', statusOfException(1)],
    ['illegal address', statusOfException(2)],
    ['illegal address', statusOfException(3)],
    ['reports a failure', statusOfException(4)],
    ['reports a failure', statusOfException(8)],
  ])('is told in words: %s', (words, status) => {
    expect(badReason(status)).toContain(words)
    expect(status >>> 30).toBe(2) // bad, in OPC UA too
  })

  it.each([
    ['more than a tag can hold', StatusCodes.BadEncodingLimitsExceeded],
    ['in time', StatusCodes.BadTimeout],
    ['let this user', StatusCodes.BadUserAccessDenied],
    ['cannot reach', StatusCodes.BadCommunicationError],
    ['no connection', StatusCodes.BadNoCommunication],
    ['no such node', StatusCodes.BadNodeIdInvalid],
    ['no such node', StatusCodes.BadNodeIdUnknown],
    ['no value: it is a folder', StatusCodes.BadAttributeIdInvalid],
    ['at this `path`', StatusCodes.BadNoMatch],
    ['not connected', StatusCodes.BadNotConnected],
    ['sensor is broken', StatusCodes.BadSensorFailure],
    ['out of service', StatusCodes.BadOutOfService],
    ['no value for it yet', StatusCodes.BadNoData],
    ['last value', StatusCodes.UncertainNoCommunicationLastUsableValue],
    ['last value', StatusCodes.UncertainLastUsableValue],
    ['first value', StatusCodes.UncertainInitialValue],
    ['not accurate', StatusCodes.UncertainSensorNotAccurate],
    ['sensor measures', StatusCodes.UncertainEngineeringUnitsExceeded],
  ])('is told in words where an OPC UA server gives it: %s', (words, { value }) => {
    expect(badReason(value)).toContain(words)
  })

  it('is not made up where the code is unknown', () => {
    expect(badReason(0x8000_0000)).toBeUndefined()
  })
})
