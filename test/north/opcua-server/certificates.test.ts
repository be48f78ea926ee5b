import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { ownCertificate } from '../../../src/north/opcua-server/certificates.ts'
import { makeStateFolder } from '../../support/state-folder.ts'

const names = { applicationUri: 'urn:lineside:edge', host: '127.0.0.1' }

describe("the OPC UA server's own certificate", () => {
  it('is kept, because clients pin it', async () => {
    using folder = makeStateFolder()
    const { certificateFile } = await ownCertificate(folder.path, names, systemClock)
    const before = readFileSync(certificateFile, 'utf8')
    await ownCertificate(folder.path, names, systemClock)
    expect(readFileSync(certificateFile, 'utf8')).toBe(before)
  })

  it('is made anew where its key is damaged, empty or of another certificate', async () => {
    using folder = makeStateFolder()
    using other = makeStateFolder()
    const { certificateFile, privateKeyFile } = await ownCertificate(folder.path, names, systemClock)
    const foreign = readFileSync((await ownCertificate(other.path, names, systemClock)).privateKeyFile)
    for (const damaged of ['', 'junk', readFileSync(privateKeyFile, 'utf8').slice(0, 600), foreign]) {
      const before = readFileSync(certificateFile, 'utf8')
      writeFileSync(privateKeyFile, damaged)
      await ownCertificate(folder.path, names, systemClock)
      expect(readFileSync(certificateFile, 'utf8')).not.toBe(before)
      expect(readFileSync(privateKeyFile, 'utf8')).toContain('PRIVATE KEY-----\n')
    }
  })
})
