import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { checkPin, lookAt, readTrust, type SeenCertificate } from '../../../src/south/opcua/trust.ts'
import { stateFolder } from './opcua-site.ts'

const seen = (digit: string): SeenCertificate => ({ fingerprint: digit.repeat(64), subject: 'CN=x', notAfterMs: 1e12, notBeforeMs: 0 })
const now = epochMs(1_700_000_000_000)

describe('the trust of a device', () => {
  it('is in the certificate that it saw first', async () => {
    await using parts = new AsyncDisposableStack()
    const folder = join(await stateFolder(parts), 'press')
    expect(await checkPin(folder, seen('1'), { now })).toBe('first')
    expect(await checkPin(folder, seen('1'), { now })).toBe('known')
    await expect(checkPin(folder, seen('2'), { now })).rejects.toMatchObject({
      code: 'opcua.certificate-changed',
      remedy: expect.stringContaining(`lineside trust press ${'2'.repeat(64)}`),
    })
  })

  it('is not given anew because the file that says so is damaged', async () => {
    await using parts = new AsyncDisposableStack()
    const folder = await stateFolder(parts)
    await writeFile(join(folder, 'server-certificate.sha256'), 'half')
    await expect(checkPin(folder, seen('1'), { now })).rejects.toMatchObject({ code: 'opcua.trust-unreadable' })
  })

  it('remembers each refused certificate once, and no more of them than ten', async () => {
    await using parts = new AsyncDisposableStack()
    const folder = await stateFolder(parts)
    await checkPin(folder, seen('a'), { now })
    for (const digit of '0123456789b00') await checkPin(folder, seen(digit), { now }).catch(() => {})
    const { refused } = await readTrust(folder)
    expect(refused.map(({ fingerprint }) => fingerprint[0]).join('')).toBe('23456789b0')
  })

  it('is in nothing that is no certificate', () => {
    expect(() => lookAt(Buffer.from('nonsense'))).toThrow(expect.objectContaining({ code: 'opcua.certificate-unreadable' }))
  })
})
